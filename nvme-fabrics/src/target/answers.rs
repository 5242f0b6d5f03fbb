//! What a target answers: every command, feature, log page and property it has. What is not here is refused with the status that the
//! specification has for it.
//!
//! # Connect
//!
//! | refused | status | parameter (IPO) |
//! |---|---|---|
//! | record format other than 0 | Connect Incompatible Format (180h) | |
//! | queue of fewer than 2 entries, or more than [`Settings::queue_entries`](super::Settings::queue_entries) | Connect Invalid Parameters (182h) | command 44 |
//! | controller other than FFFFh on the admin queue: controllers are made when a host connects | 182h | data 16 |
//! | a name that is none, or a subsystem that the port does not export | 182h | data 256, data 512 |
//! | a host that is not allowed | Connect Invalid Host (184h) | data 512 |
//! | as many associations as [`Settings::associations`](super::Settings::associations) | Connect Controller Busy (181h) | |
//! | I/O queue of a controller that is not there, or came to another port | 182h | data 16 |
//! | I/O queue of another host, by name or identifier | 182h | data 512, data 0 |
//! | I/O queue of a controller that is not enabled, number in use or not granted | 182h | command 42 |
//!
//! A host is known by its name alone: there is neither authentication (DH-HMAC-CHAP) nor TLS, the answer to Connect asks for neither, and
//! Authentication Send and Receive are refused. A host that insists on the target proving itself does not use it. Over networks where names can
//! be forged, use the kernel's target, or carry the connections through TLS with [`Server::over`](super::Server::over).
//!
//! # Admin commands
//!
//! Before the controller is enabled, everything but Fabrics commands is answered with Command Sequence Error (0Ch).
//!
//! | opcode | command | discovery | notes |
//! |---|---|---|---|
//! | 02h | Get Log Page | yes | in parts, from any multiple of 4 |
//! | 06h | Identify | 01h | |
//! | 08h | Abort | | commands that wait for an event; all others are done too soon |
//! | 09h | Set Features | yes | nothing is saved |
//! | 0Ah | Get Features | yes | current, default, saved (as default), capabilities |
//! | 0Ch | Asynchronous Event Request | yes | 4 may wait |
//! | 18h | Keep Alive | yes | any command of the association counts (TBKAS) |
//! | 7Fh | Property Get, Property Set | yes | CAP, VS, CC, CSTS, CRTO |
//!
//! # Identify
//!
//! | CNS | structure |
//! |---|---|
//! | 00h, 11h | Identify Namespace; zeros for one that is not there |
//! | 01h | Identify Controller |
//! | 02h, 07h, 10h | namespaces behind a number |
//! | 03h | identifiers of a namespace: EUI-64 if it has one, NGUID, UUID, command set |
//! | 05h, 06h | namespace and controller of the NVM command set |
//! | 08h | namespace, whatever its command set |
//! | 12h, 13h | controllers |
//! | 1Ch | combinations of command sets |
//!
//! # I/O commands
//!
//! In this order a command is checked: opcode, namespace, asymmetric access, blocks, length of the data, write protection, reservation.
//!
//! | opcode | command | notes |
//! |---|---|---|
//! | 00h | Flush | of one namespace |
//! | 01h | Write | FUA |
//! | 02h | Read | |
//! | 05h | Compare | |
//! | 08h | Write Zeroes | deallocates if asked to (DEAC) |
//! | 09h | Dataset Management | deallocates; all other hints are taken and ignored |
//! | 0Ch | Verify | |
//! | 0Dh | Reservation Register | CPTPL: what is held does not survive the process |
//! | 0Eh | Reservation Report | extended; controllers are FFFFh, as the Linux target says them |
//! | 11h | Reservation Acquire | preempt and abort waits until commands of the hosts that lost their registration are done |
//! | 15h | Reservation Release | |
//! | 7Fh | Disconnect | |
//!
//! # Features
//!
//! | FID | feature | discovery | can be set |
//! |---|---|---|---|
//! | 01h | Arbitration | | yes; nothing follows from it |
//! | 02h | Power Management | | to state 0 |
//! | 04h | Temperature Threshold | | yes; no temperature is measured |
//! | 05h | Error Recovery | | time limit |
//! | 06h | Volatile Write Cache | | no: it is on |
//! | 07h | Number of Queues | | before the first I/O queue |
//! | 0Ah | Write Atomicity Normal | | yes; nothing follows from it |
//! | 0Bh | Asynchronous Event Configuration | yes | namespaces, asymmetric access, health; discovery log |
//! | 0Eh | Timestamp | | yes |
//! | 0Fh | Keep Alive Timer | yes | yes, in whole seconds |
//! | 16h | Host Behavior Support | | yes |
//! | 19h | I/O Command Set Profile | | to 0 |
//! | 81h | Host Identifier | yes | no: it comes with Connect |
//! | 82h | Reservation Notification Mask | | yes, of a namespace |
//! | 83h | Reservation Persistence | | to 0 |
//! | 84h | Namespace Write Protection | | none, protected |
//!
//! # Log pages
//!
//! | LID | page | discovery | notes |
//! |---|---|---|---|
//! | 00h | Supported Log Pages | yes | |
//! | 01h | Error Information | yes | the last 128 |
//! | 02h | SMART / Health | | of all namespaces, or of one |
//! | 03h | Firmware Slot | | one slot |
//! | 04h | Changed Namespace List | | |
//! | 05h | Commands Supported and Effects | | |
//! | 0Ch | Asymmetric Namespace Access | | of the port that the host is connected to |
//! | 12h | Feature Identifiers Supported and Effects | | |
//! | 70h | Discovery | only | what this host may connect to at all ports, or at this one (PLEO) |
//! | 80h | Reservation Notification | | the oldest of up to 64 |
//!
//! # Events
//!
//! | event | when | masked until |
//! |---|---|---|
//! | Namespace Attribute Changed | a namespace comes, goes, changes its size or its protection | page 04h is read |
//! | Asymmetric Namespace Access Change | the state of a group with namespaces of the subsystem changes at the port, or a namespace changes its group | page 0Ch is read |
//! | Discovery Log Page Change | the log of this very host says something else | page 70h is read |
//! | Reservation Log Page Available | this host lost a registration or reservation, or one it waited for was released | page 80h is read |

#[cfg(test)]
mod tests {
    use nvme_proto::log::{EffectsLog, LogId};

    use crate::target::connection::supported_features;
    use crate::target::state::ControllerKind;
    use crate::target::{identify, log};

    /// The numbers in the first column of the table under a heading, and whether the third one has a word.
    fn rows(heading: &str) -> Vec<(u8, bool)> {
        let text: String = include_str!("answers.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .fold(String::new(), |text, line| text + line.trim_start() + "\n");
        let chapter = text.split(&format!("# {heading}\n")).nth(1).unwrap().split("\n# ").next().unwrap();
        let mut all = Vec::new();
        for row in chapter.lines().filter(|line| line.starts_with("| ")).skip(1) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            for number in cells[1].split(", ") {
                let number = number.strip_suffix('h').unwrap_or_else(|| panic!("{row}"));
                all.push((u8::from_str_radix(number, 16).unwrap(), !cells[3].is_empty()));
            }
        }
        all.sort_unstable();
        all
    }

    fn numbers(heading: &str) -> Vec<u8> {
        rows(heading).into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn the_tables_say_what_there_is() {
        let effects = EffectsLog::new_checked(log::command_effects()).unwrap();
        let fabrics = |commands: Vec<u8>| [commands, vec![0x7f]].concat();
        assert_eq!(
            numbers("Admin commands"),
            fabrics(effects.admin_commands().map(|(opcode, _)| opcode).collect())
        );
        assert_eq!(
            numbers("I/O commands"),
            fabrics(effects.io_commands().map(|(opcode, _)| opcode).collect())
        );
        let features = |kind| supported_features(kind).map(|(feature, _)| feature.0).collect::<Vec<_>>();
        assert_eq!(numbers("Features"), features(ControllerKind::Io));
        let of_discovery = rows("Features").into_iter().filter(|(_, discovery)| *discovery);
        assert_eq!(
            of_discovery.map(|(number, _)| number).collect::<Vec<_>>(),
            features(ControllerKind::Discovery)
        );
        let mut pages: Vec<u8> =
            log::pages(ControllerKind::Io).iter().chain([&LogId::DISCOVERY]).map(|lid| lid.0).collect();
        pages.sort_unstable();
        assert_eq!(numbers("Log pages"), pages);
        let of_discovery = rows("Log pages").into_iter().filter(|(_, discovery)| *discovery);
        let pages: Vec<u8> = log::pages(ControllerKind::Discovery).iter().map(|lid| lid.0).collect();
        assert_eq!(of_discovery.map(|(number, _)| number).collect::<Vec<_>>(), pages);
        let structures: Vec<u8> = (0..=u8::MAX).filter(|cns| identify::has(*cns)).collect();
        assert_eq!(numbers("Identify"), structures);
    }
}
