//! What must hold for every input, whoever sent it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{Debug, Display};
use core::str::FromStr;

use crate::Status;
use crate::connect::explain;
use crate::discovery::{
    DiscoveryEntry, DiscoveryLog, DiscoveryRequest, LogEntry, LogFlags, LogHeader, LogReader,
    LogReaderLimits, Next,
};
use crate::identify::{IdentifyController, IdentifyNamespace};
use crate::types::{
    AddressFamily, HostId, HostNqn, IpTraddr, Nqn, Nsid, SubsysNqn, Traddr, TransportType, Trsvcid,
};

/// Every parser of text takes or refuses any text without a panic, prints what it took so that it parses to an equal value, and explains
/// what it refused in one line of printable characters.
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    round_trip::<Nqn>(&text);
    round_trip::<SubsysNqn>(&text);
    round_trip::<HostNqn>(&text);
    round_trip::<HostId>(&text);
    round_trip::<IpTraddr>(&text);
    round_trip::<Traddr>(&text);
    round_trip::<Trsvcid>(&text);
    round_trip::<Nsid>(&text);
    round_trip::<TransportType>(&text);
    round_trip::<AddressFamily>(&text);
    if let Ok(name) = Nqn::new(text.as_ref()) {
        let hostile = |c: char| matches!(c, '/' | ',') || c.is_control();
        assert!(!name.as_str().contains(hostile) && !matches!(name.as_str(), "." | ".."), "{name:?}");
        assert_eq!(Nqn::decode(&name.encode()), Ok(name.clone()));
        let _ = name.form();
        if let Some(id) = HostNqn::from(name.clone()).uuid() {
            assert_eq!(HostNqn::from_uuid(id).as_str(), name.as_str());
        }
    }
    if let Ok(service) = text.parse::<Trsvcid>()
        && let Some(port) = service.port()
    {
        assert_eq!(Trsvcid::from(port), service);
    }
    if let Ok(ip) = text.parse::<IpTraddr>() {
        assert_eq!(Traddr::from(&ip).ip(), Some(ip.clone()));
        assert_eq!(Traddr::new(ip.to_string()), Ok(Traddr::from(&ip)));
    }
    // The same bytes as a field on the wire.
    if let Ok(name) = Nqn::decode(data) {
        assert!(data.starts_with(name.as_str().as_bytes()));
    }
    if let Ok(address) = Traddr::decode(data) {
        assert!(data.starts_with(address.as_str().as_bytes()));
    }
}

fn round_trip<T>(text: &str)
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(value) => {
            let printed = value.to_string();
            assert!(
                printed.parse::<T>().is_ok_and(|again| again == value),
                "{value:?} prints as {printed:?}"
            );
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
        }
    }
}

/// Every view takes any bytes of its length without a panic, keeps them, and refuses fewer; a log that decodes encodes to the bytes it
/// came from, reserved ones apart; a log reader ends within its bounds whatever it is told.
pub fn views(data: &[u8]) {
    // The bytes as they are, and with zeros behind so that short inputs reach the fields.
    let mut padded = data.to_vec();
    padded.resize(padded.len().max(4096), 0);
    for bytes in [data, padded.as_slice()] {
        identify(bytes);
        log(bytes);
    }
    reader(data, DiscoveryRequest::NONE);
    reader(data, DiscoveryRequest::EXTENDED);
}

fn identify(bytes: &[u8]) {
    match IdentifyController::new_checked(bytes) {
        Ok(view) => {
            assert_eq!(Some(view.as_bytes()), bytes.get(..4096));
            assert!(!format!("{view:?}").is_empty());
            assert!(
                view.serial_bytes().len() <= 20
                    && view.model_bytes().len() <= 40
                    && view.firmware_bytes().len() <= 8
            );
            let _ = (view.max_data_bytes(12), view.subnqn());
        }
        Err(_) => assert!(bytes.len() < 4096),
    }
    match IdentifyNamespace::new_checked(bytes) {
        Ok(view) => {
            assert_eq!(Some(view.as_bytes()), bytes.get(..4096));
            assert!(!format!("{view:?}").is_empty());
            if let (Some(block), Some(size)) = (view.block_bytes(), view.size_bytes()) {
                assert!(
                    block.is_power_of_two() && block >= 512 && size.checked_div(block) == Some(view.size())
                );
            }
        }
        Err(_) => assert!(bytes.len() < 4096),
    }
}

fn log(bytes: &[u8]) {
    if let Ok(header) = LogHeader::decode(bytes) {
        assert_eq!(LogHeader::decode(&header.encode()), Ok(header));
    }
    if let Ok(log) = DiscoveryLog::decode(bytes) {
        let page = log.encode();
        assert!(page.len() <= bytes.len());
        assert_eq!(page.get(1024..), bytes.get(1024..page.len()));
        assert_eq!(DiscoveryLog::decode(&page), Ok(log));
    }
    match LogEntry::new_checked(bytes) {
        Ok(view) => {
            assert_eq!(Some(view.as_bytes()), bytes.get(..1024));
            assert!(!format!("{view:?}").is_empty());
            for text in [view.trsvcid_text(), view.traddr_text(), view.subnqn_text()] {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
            let _ = (view.trsvcid(), view.traddr(), view.subnqn());
            assert_eq!(view.to_owned().as_bytes(), view.as_bytes());
        }
        Err(_) => assert!(bytes.len() < DiscoveryEntry::LEN),
    }
}

/// Each two bytes decide one answer: what the header says, what the entries hold, a status, or bytes that were not asked for. Entries are
/// extended now and then, whether that was asked for or not.
fn reader(data: &[u8], request: DiscoveryRequest) {
    const MAX_RECORDS: u32 = 9;
    let mut reader = LogReader::new(LogReaderLimits::new(MAX_RECORDS, 3)).asking(request);
    for step in data.chunks(2).take(64) {
        let (choice, value) = match step {
            [choice, value, ..] => (*choice, *value),
            [choice] => (*choice, 0),
            [] => (0, 0),
        };
        let command = match reader.next() {
            Next::Read(command) => command,
            Next::Done(log) => {
                assert!(log.entries.len() <= 9, "{} entries", log.entries.len());
                continue;
            }
        };
        // A page has 9 extended entries and what is behind them at most, as the headers below say.
        assert!(command.len() <= 4096 && command.offset() <= 64 << 10);
        let mut answer: Vec<u8> =
            usize::try_from(command.len()).map(|len| alloc::vec![value; len]).unwrap_or_default();
        if command.offset() == 0 {
            // A header whose generation changes now and then, and whose count may be beyond the bound.
            let mut header = LogHeader::new(u64::from(choice & 3), u64::from(value & 15));
            if choice & 4 != 0 {
                header.flags = LogFlags::EXTENDED;
                header.total_len = u32::from(value).saturating_mul(252).saturating_add(1024);
            }
            answer = header.encode().into();
            answer.truncate(usize::try_from(command.len()).unwrap_or_default());
        } else if choice & 8 != 0 {
            // What may well be the beginning of an extended entry, and of the one behind it.
            let entry =
                DiscoveryEntry::zeroed().with_attributes(&[]).unwrap_or_else(|_| DiscoveryEntry::zeroed());
            let entries = entry.as_bytes().iter().copied().cycle();
            answer = entries.take(answer.len()).collect();
        }
        let result = match choice >> 4 {
            0 => reader.failed(Status(u16::from(value))),
            1 => reader.failed(Status::DISCOVER_RESTART.with_dnr()),
            2 => reader.supply(answer.get(1..).unwrap_or_default()),
            3 => reader.supply(data),
            _ => reader.supply(&answer),
        };
        if let Err(error) = result {
            assert!(!error.to_string().is_empty());
        }
        let _ = explain(Status(u16::from_le_bytes([choice, value])), u32::from(value))
            .map(|reject| reject.to_string());
    }
}
