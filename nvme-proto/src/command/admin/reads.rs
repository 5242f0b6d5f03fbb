//! Identify and Get Log Page as entries.

use crate::bits::mark_dword;
use crate::discovery::GetLogPage;
use crate::identify::IdentifyCommand;
use crate::sqe::Sqe;

impl IdentifyCommand {
    /// What the specification calls the command.
    pub const NAME: &'static str = "Identify";

    /// The bits of each dword of the entry that the command gives a meaning, beside opcode, flags, command identifier and data pointer.
    pub const DEFINED: [u32; 16] = {
        let used = mark_dword([0; 16], 1, 31, 0, 32);
        let used = mark_dword(used, 10, 7, 0, 8);
        let used = mark_dword(used, 10, 31, 16, 16);
        let used = mark_dword(used, 11, 15, 0, 16);
        let used = mark_dword(used, 11, 31, 24, 8);
        mark_dword(used, 14, 6, 0, 8)
    };

    /// The command as an entry, with command identifier 0 and without data.
    #[must_use]
    pub const fn to_sqe(&self) -> Sqe {
        let mut sqe = Sqe::new(Self::OPCODE);
        sqe.nsid = self.nsid;
        sqe.cdw10 = self.cdw10();
        sqe.cdw11 = self.cdw11();
        sqe.cdw14 = self.cdw14();
        sqe
    }

    /// The fields of an entry. That its opcode is this command's is for the caller to know.
    #[must_use]
    pub const fn from_sqe(sqe: &Sqe) -> Self {
        Self::from_cdws(sqe.nsid, sqe.cdw10, sqe.cdw11, sqe.cdw14)
    }
}

impl GetLogPage {
    /// What the specification calls the command.
    pub const NAME: &'static str = "Get Log Page";

    /// The bits of each dword of the entry that the command gives a meaning, beside opcode, flags, command identifier and data pointer.
    pub const DEFINED: [u32; 16] = {
        let used = mark_dword([0; 16], 1, 31, 0, 32);
        let used = mark_dword(used, 10, 31, 0, 32);
        let used = mark_dword(used, 11, 31, 0, 32);
        let used = mark_dword(used, 12, 63, 0, 64);
        let used = mark_dword(used, 14, 6, 0, 8);
        mark_dword(used, 14, 31, 23, 16)
    };

    /// The command as an entry, with command identifier 0 and without data.
    #[must_use]
    pub const fn to_sqe(&self) -> Sqe {
        let mut sqe = Sqe::new(Self::OPCODE);
        sqe.nsid = self.nsid;
        sqe.cdw10 = self.cdw10();
        sqe.cdw11 = self.cdw11();
        sqe.cdw12 = self.cdw12();
        sqe.cdw13 = self.cdw13();
        sqe.cdw14 = self.cdw14();
        sqe
    }

    /// The fields of an entry. That its opcode is this command's is for the caller to know.
    #[must_use]
    pub const fn from_sqe(sqe: &Sqe) -> Self {
        Self::from_cdws(sqe.nsid, [sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13, sqe.cdw14])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::LogId;
    use crate::identify::Cns;

    #[test]
    fn entries_of_a_linux_host() {
        let sqe = IdentifyCommand::controller().to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid, sqe.cdw10, sqe.cdw11, sqe.cdw14), (6, 0, 1, 0, 0));
        let command = IdentifyCommand::new(Cns::NAMESPACE_DESCRIPTORS, 7);
        assert_eq!(IdentifyCommand::from_sqe(&command.to_sqe()), command);
        let mut command = GetLogPage::new(LogId::ANA, 0x1_0000_0010, 0x4_0004).unwrap();
        command.nsid = 0xffff_ffff;
        let sqe = command.to_sqe();
        assert_eq!((sqe.opcode, sqe.nsid), (2, 0xffff_ffff));
        assert_eq!((sqe.cdw10, sqe.cdw11, sqe.cdw12, sqe.cdw13), (0x000c, 1, 0x10, 1));
        assert_eq!(GetLogPage::from_sqe(&sqe), command);
    }
}
