//! What a controller refuses by the command alone, against the malformed golden PDUs.

#[path = "common/entries.rs"]
mod entries;

use entries::Vector;
use nvme_proto::command::{AdminCommand, IoCommand, check};
use nvme_proto::connect::ParameterPlace;
use nvme_proto::fabrics::{ConnectData, FabricsCommand};
use nvme_proto::sqe::Sqe;
use serde_json::{Value, json};

/// The malformed PDUs that a controller answers with a status, as far as the command alone tells: the exact status and parameter.
#[test]
fn refusals_are_those_of_the_vectors() {
    use check::{ConnectRules, ControllerModel, Refusal, Strictness};
    // Told by the digest, and by what came before.
    const ELSEWHERE: [&str; 2] = ["bad_capsule_ddgst_wrong", "bad_identify_before_connect"];
    let rules = ConnectRules {
        max_admin_queue: 127,
        max_io_queue: 127,
        io_queues: 128,
        model: ControllerModel::Dynamic,
    };
    let all: Vec<Value> = serde_json::from_str(include_str!("vectors/pdus-malformed.json")).unwrap();
    let mut seen = 0;
    for value in &all {
        let name = value["name"].as_str().unwrap();
        let expected = &value["expect"]["status"];
        if expected.is_null() || ELSEWHERE.contains(&name) {
            continue;
        }
        let vector = Vector::new(value, Value::Null);
        if vector.bytes[0] != 4 {
            continue; // the data of a command
        }
        let sqe = Sqe::from_bytes(vector.entry());
        let refuse = || -> Result<(), Refusal> {
            check::entry(&sqe, Strictness::Specification)?;
            if value["state"] == "after_connect_io" {
                let command = IoCommand::from_sqe(&sqe);
                check::io(&command)?;
                check::data(&sqe.sgl, command.data_len(512))?;
                return Ok(());
            }
            let command = AdminCommand::from_sqe(&sqe);
            if let AdminCommand::Fabrics(FabricsCommand::Connect(command)) = command {
                check::data(&sqe.sgl, Some(1024))?;
                check::connect(&command, &ConnectData::new_checked(vector.data()).unwrap(), &rules)?;
                return Ok(());
            }
            check::admin(&command)?;
            check::data(&sqe.sgl, command.data_len())?;
            Ok(())
        };
        let refusal = refuse().expect_err(name);
        let cqe = refusal.completion(sqe.cid);
        assert_eq!((cqe.cid, cqe.status.dnr()), (sqe.cid, true));
        let parameter = expected.get("ipo").map(|ipo| (ipo, &expected["ips"]));
        assert_eq!(json!(cqe.status.sct()), expected["sct"], "{name}: {refusal}");
        assert_eq!(json!(cqe.status.sc()), expected["sc"], "{name}: {refusal}");
        let found =
            refusal.parameter.map(|at| (json!(at.offset), json!(u8::from(at.place == ParameterPlace::Data))));
        assert_eq!(found.as_ref().map(|(ipo, ips)| (ipo, ips)), parameter, "{name}: {refusal}");
        seen += 1;
    }
    assert_eq!(seen, 14);
}
