//! Values survive being written and read, in bytes, in text and in JSON; whatever is thrown at the parsers, they answer.

use nvme_proto::discovery::{DiscoveryLog, GetLogPage, LogEntry, LogHeader};
use nvme_proto::identify::IdentifyCommand;
use nvme_proto::testing::{
    self, discovery_entry, discovery_log, host_id, host_nqn, ip_traddr, nqn, nqn_text, nsid, status,
    subsys_nqn, traddr, trsvcid,
};
use nvme_proto::{HostId, HostNqn, IpTraddr, Nqn, Nsid, Status, SubsysNqn, Traddr, Trsvcid};
use proptest::prelude::*;

proptest! {
    #[test]
    fn names_survive_text_and_wire(name in nqn(), junk in any::<[u8; 8]>()) {
        prop_assert_eq!(name.to_string().parse::<Nqn>(), Ok(name.clone()));
        let mut field = name.encode();
        prop_assert_eq!(Nqn::decode(&field), Ok(name.clone()));
        // What is behind the NUL does not matter.
        field[248..].copy_from_slice(&junk);
        prop_assert_eq!(Nqn::decode(&field), Ok(name));
    }

    #[test]
    fn every_valid_text_is_taken_by_all_three_types(text in nqn_text()) {
        prop_assert!(Nqn::new(text.as_str()).is_ok());
        let subsystem = SubsysNqn::new(text.as_str());
        prop_assert_eq!(subsystem.as_ref().map(SubsysNqn::as_str), Ok(text.as_str()));
        let host = HostNqn::new(text.as_str());
        prop_assert_eq!(host.as_ref().map(HostNqn::as_str), Ok(text.as_str()));
    }

    #[test]
    fn a_forbidden_character_anywhere_is_found(text in "[a-z]{1,100}", at in any::<prop::sample::Index>(), bad in "[/,\\x00-\\x1f\\x7f]") {
        let at = at.index(text.len() + 1);
        let (front, back) = text.split_at(at);
        let text = format!("{front}{bad}{back}");
        prop_assert!(Nqn::new(text).is_err());
    }

    #[test]
    fn addresses_survive_text(ip in ip_traddr(), address in traddr(), service in trsvcid()) {
        prop_assert_eq!(ip.to_string().parse::<IpTraddr>(), Ok(ip.clone()));
        prop_assert_eq!(Traddr::from(&ip).ip(), Some(ip));
        prop_assert_eq!(Traddr::decode(address.as_str().as_bytes()), Ok(address));
        prop_assert_eq!(Trsvcid::decode(service.as_str().as_bytes()), Ok(service));
    }

    #[test]
    fn identifiers_survive_text(id in host_id(), nsid in nsid(), host in host_nqn()) {
        prop_assert_eq!(id.to_string().parse::<HostId>(), Ok(id));
        prop_assert_eq!(HostNqn::from_uuid(id).uuid(), Some(id));
        prop_assert_eq!(nsid.to_string().parse::<Nsid>(), Ok(nsid));
        if let Some(id) = host.uuid() {
            prop_assert_eq!(HostNqn::from_uuid(id), host);
        }
    }

    #[test]
    fn a_status_survives_the_completion_entry(status in status()) {
        prop_assert_eq!(Status::from_cqe(status.to_cqe()), status);
        let fields = u16::from(status.sc()) | u16::from(status.sct()) << 8 | u16::from(status.crd()) << 11
            | u16::from(status.more()) << 13 | u16::from(status.dnr()) << 14;
        prop_assert_eq!(Status(fields), status);
    }

    #[test]
    fn entries_and_logs_survive(entry in discovery_entry(), log in discovery_log()) {
        let bytes = entry.encode();
        prop_assert_eq!(LogEntry::new_checked(&bytes[..]).map(|view| view.to_owned()), Ok(entry.clone()));
        prop_assert!(entry.subnqn().is_ok() && entry.traddr().is_ok() && entry.trsvcid().is_ok());
        let page = log.encode();
        prop_assert_eq!(page.len(), 1024 * (log.entries.len() + 1));
        prop_assert_eq!(DiscoveryLog::decode(&page), Ok(log));
    }

    #[test]
    fn any_1024_bytes_are_an_entry_and_stay_what_they_are(bytes in prop::collection::vec(any::<u8>(), 1024)) {
        let view = LogEntry::new_checked(&bytes).unwrap();
        prop_assert_eq!(&view.encode()[..], &bytes[..]);
        let owned = view.to_owned();
        prop_assert_eq!(owned.as_bytes(), &bytes[..]);
    }

    #[test]
    fn commands_survive_their_dwords(cdws in any::<[u32; 5]>(), nsid in any::<u32>()) {
        let command = GetLogPage::from_cdws(nsid, cdws);
        let again = [command.cdw10(), command.cdw11(), command.cdw12(), command.cdw13(), command.cdw14()];
        prop_assert_eq!(again[..4].to_vec(), cdws[..4].to_vec());
        prop_assert_eq!(again[4], cdws[4] & 0xff80_007f);
        prop_assert_eq!(GetLogPage::from_cdws(nsid, again), command);
        let command = IdentifyCommand::from_cdws(nsid, cdws[0], cdws[1], cdws[4]);
        let again = [command.cdw10(), command.cdw11(), command.cdw14()];
        prop_assert_eq!(again, [cdws[0] & 0xffff_00ff, cdws[1] & 0xff00_ffff, cdws[4] & 0x7f]);
    }

    #[test]
    fn headers_survive(generation in any::<u64>(), records in any::<u64>()) {
        let header = LogHeader::new(generation, records);
        prop_assert_eq!(LogHeader::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn parsers_answer_any_text(text in any::<String>()) {
        testing::text(text.as_bytes());
    }

    #[test]
    fn parsers_answer_text_of_their_own_alphabets(text in "[nqn.:/0-9a-fA-F%,\\[\\] -]{0,60}") {
        testing::text(text.as_bytes());
    }

    #[test]
    fn views_answer_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        testing::views(&bytes);
    }

    #[test]
    fn json_is_the_text(subsystem in subsys_nqn(), id in host_id(), ip in ip_traddr(), nsid in nsid(), status in status()) {
        prop_assert_eq!(serde_json::to_value(&subsystem).unwrap(), subsystem.as_str());
        prop_assert_eq!(serde_json::to_value(id).unwrap(), id.to_string());
        prop_assert_eq!(serde_json::to_value(nsid).unwrap(), nsid.to_string());
        let all = (subsystem, id, ip, nsid, status);
        let json = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(serde_json::from_str::<(SubsysNqn, HostId, IpTraddr, Nsid, Status)>(&json).unwrap(), all);
    }
}

#[test]
fn json_is_checked_like_text() {
    for json in [r#""a/b""#, r#""""#, r#""a,b""#, r#""a\n""#, "1"] {
        assert!(serde_json::from_str::<SubsysNqn>(json).is_err(), "{json}");
    }
    let error = serde_json::from_str::<SubsysNqn>(r#""a/b""#).unwrap_err().to_string();
    assert!(error.contains("at byte 1"), "{error}");
}
