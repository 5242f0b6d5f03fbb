//! The data of the Connect command.

use alloc::string::String;
use core::fmt;

use crate::connect::{ConnectParameter, ParameterPlace};
use crate::error::DecodeError;
use crate::layout::{Field, field_at, put};
use crate::text::printable;
use crate::types::{Cntlid, HostId, HostNqn, Nqn, NqnError, SubsysNqn};

/// Who connects, and to what. 1024 bytes, little-endian.
///
/// | bytes     | field                 | meaning                                                                                       |
/// |-----------|-----------------------|-----------------------------------------------------------------------------------------------|
/// | 0..16     | `host_id` (HOSTID)    | bytes in the order of the text form                                                           |
/// | 16..18    | `cntlid` (CNTLID)     | admin queue: [`Cntlid::DYNAMIC`], [`Cntlid::STATIC_ANY`] or one; I/O queue: that of the controller |
/// | 256..512  | `subnqn` (SUBNQN)     | UTF-8, NUL behind                                                                             |
/// | 512..768  | `hostnqn` (HOSTNQN)   | UTF-8, NUL behind                                                                             |
///
/// The other bytes are reserved: [`new`](ConnectData::new) writes zeros, and they are kept and ignored when read. So is what follows the NUL of
/// a name.
///
/// Source: NVMe Base 2.0 section 6.3, kernel `include/linux/nvme.h: struct nvmf_connect_data`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectData<B: AsRef<[u8]>>(B);

/// Connect data that a controller cannot take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Connect data: {parameter} is not an NQN; complete with Connect Invalid Parameters naming it")]
pub struct ConnectDataError {
    /// The parameter to name in the completion: [`ConnectParameter::to_dw0`].
    pub parameter: ConnectParameter,
    /// What is wrong with it.
    pub source: NqnError,
}

impl ConnectData<[u8; 1024]> {
    /// The data of a host.
    #[must_use]
    pub fn new(host_id: HostId, cntlid: Cntlid, subnqn: &SubsysNqn, hostnqn: &HostNqn) -> Self {
        let mut data = Self([0; 1024]);
        data.set_host_id(host_id);
        data.set_cntlid(cntlid);
        data.set_subnqn(subnqn);
        data.set_hostnqn(hostnqn);
        data
    }
}

impl<B: AsRef<[u8]>> ConnectData<B> {
    /// Length in bytes.
    pub const LEN: usize = 1024;

    const SUBNQN: u16 = 256;
    const HOSTNQN: u16 = 512;

    /// Checks that there are (at least) 1024 bytes. What is behind them is left alone; a controller also refuses a command whose data has
    /// another length.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len("Connect data", bytes.as_ref(), Self::LEN)?;
        Ok(Self(bytes))
    }

    /// The host's identifier; all zero for none.
    #[doc(alias = "HOSTID")]
    #[must_use]
    pub fn host_id(&self) -> HostId {
        HostId::from_bytes(Field::read(self.0.as_ref(), 0))
    }

    /// The controller asked for.
    #[doc(alias = "CNTLID")]
    #[must_use]
    pub fn cntlid(&self) -> Cntlid {
        Field::read(self.0.as_ref(), 16)
    }

    /// The subsystem.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    #[doc(alias = "SUBNQN")]
    pub fn subnqn(&self) -> Result<SubsysNqn, NqnError> {
        SubsysNqn::decode(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// The host.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    #[doc(alias = "HOSTNQN")]
    pub fn hostnqn(&self) -> Result<HostNqn, NqnError> {
        HostNqn::decode(field_at(self.0.as_ref(), 512, Nqn::FIELD_LEN))
    }

    /// The subsystem for people, whatever is in the field.
    #[must_use]
    pub fn subnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// The host for people, whatever is in the field.
    #[must_use]
    pub fn hostnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 512, Nqn::FIELD_LEN))
    }

    /// Both names, as a controller needs them.
    ///
    /// # Errors
    /// [`ConnectDataError`] for the first name that is none, with what to say in the completion.
    pub fn names(&self) -> Result<(SubsysNqn, HostNqn), ConnectDataError> {
        let at = |offset| {
            move |source| {
                let parameter = ConnectParameter { place: ParameterPlace::Data, offset };
                ConnectDataError { parameter, source }
            }
        };
        let subnqn = self.subnqn().map_err(at(Self::SUBNQN))?;
        let hostnqn = self.hostnqn().map_err(at(Self::HOSTNQN))?;
        Ok((subnqn, hostnqn))
    }

    /// The 1024 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        field_at(self.0.as_ref(), 0, Self::LEN)
    }

    /// The bytes it was made from.
    pub fn into_inner(self) -> B {
        self.0
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ConnectData<B> {
    /// Writes [`host_id`](Self::host_id).
    pub fn set_host_id(&mut self, host_id: HostId) {
        put(self.0.as_mut(), 0, *host_id.as_bytes());
    }

    /// Writes [`cntlid`](Self::cntlid).
    pub fn set_cntlid(&mut self, cntlid: Cntlid) {
        cntlid.write(self.0.as_mut(), 16);
    }

    /// Writes [`subnqn`](Self::subnqn).
    pub fn set_subnqn(&mut self, subnqn: &SubsysNqn) {
        put(self.0.as_mut(), 256, subnqn.as_nqn().encode());
    }

    /// Writes [`hostnqn`](Self::hostnqn).
    pub fn set_hostnqn(&mut self, hostnqn: &HostNqn) {
        put(self.0.as_mut(), 512, hostnqn.as_nqn().encode());
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for ConnectData<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectData")
            .field("host_id", &self.host_id())
            .field("cntlid", &self.cntlid())
            .field("subnqn", &self.subnqn_text())
            .field("hostnqn", &self.hostnqn_text())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use std::error::Error;

    fn data() -> ConnectData<[u8; 1024]> {
        let host_id: HostId = "1b4e28ba-2fa1-11d2-883f-0016d3ccabcd".parse().unwrap();
        let subnqn = SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
        ConnectData::new(host_id, Cntlid::DYNAMIC, &subnqn, &HostNqn::from_uuid(host_id))
    }

    #[test]
    fn each_field_has_its_place() {
        let data = data();
        let bytes = data.as_bytes();
        assert_eq!(bytes.len(), 1024);
        assert_eq!(bytes[..6], [0x1b, 0x4e, 0x28, 0xba, 0x2f, 0xa1]);
        assert_eq!(bytes[16..18], [0xff, 0xff]);
        assert!(bytes[18..256].iter().chain(&bytes[768..]).all(|byte| *byte == 0));
        assert!(bytes[256..].starts_with(b"nqn.2024-01.org.example:disk1\0"));
        assert!(bytes[512..].starts_with(b"nqn.2014-08.org.nvmexpress:uuid:1b4e28ba-"));
        let view = ConnectData::new_checked(bytes).unwrap();
        assert_eq!(view.names(), Ok((data.subnqn().unwrap(), data.hostnqn().unwrap())));
        assert_eq!((view.cntlid(), view.host_id()), (Cntlid::DYNAMIC, data.host_id()));
        assert!(format!("{view:?}").contains("disk1"));
    }

    /// What a controller answers about the names.
    #[test]
    fn names_that_are_none_name_their_place() {
        let changed = |at: usize, bytes: &[u8]| {
            let mut data = data().into_inner();
            data[at..at + bytes.len()].copy_from_slice(bytes);
            ConnectData::new_checked(data).unwrap()
        };
        for (at, bytes) in [
            (256, &[b'n'; 256][..]),  // no NUL
            (256, &[b'n'; 224]),      // too long
            (256, b"\0"),             // empty
            (256, b"nqn.\xff\xfe\0"), // not UTF-8
            (512, &[b'n'; 256]),
            (512, b"\0"),
            (512, b"\xc3("),
        ] {
            let error = changed(at, bytes).names().unwrap_err();
            assert_eq!(error.parameter.to_dw0(), 0x0001_0000 | at as u32);
            assert!(error.source().is_some() && error.to_string().contains("NQN"), "{error}");
            let _ = changed(at, bytes).subnqn_text();
        }
        // What is behind the NUL, reserved bytes, and a host without identifier are nobody's business.
        let names = data().names();
        for (at, bytes) in
            [(256 + 40, &[0xff; 200][..]), (18, &[0xff; 238]), (768, &[0xff; 256]), (0, &[0; 16])]
        {
            assert_eq!(changed(at, bytes).names(), names);
            assert_eq!(changed(at, bytes).as_bytes()[at..at + bytes.len()], *bytes);
        }
    }

    #[test]
    fn too_few_bytes() {
        let data = data();
        for len in [0, 16, 1020, 1023] {
            let error = ConnectData::new_checked(&data.as_bytes()[..len]).unwrap_err();
            assert_eq!(error.at, len);
        }
    }
}
