//! What the handshake settles.

use super::error::ProtocolError;
use super::format::Format;
use super::ic::{IcReq, IcResp};
use crate::digest::Digests;

/// What both ends agreed on with ICReq and ICResp.
///
/// | | from |
/// |---|---|
/// | [`digests`](Self::digests) | those that both enable |
/// | [`to_controller`](Self::to_controller) | the digests; CPDA of ICResp |
/// | [`to_host`](Self::to_host) | the digests; HPDA of ICReq |
/// | [`max_h2c_data`](Self::max_h2c_data) | MAXH2CDATA of ICResp |
/// | [`max_r2ts`](Self::max_r2ts) | MAXR2T of ICReq |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Negotiated {
    /// The digests in use.
    pub digests: Digests,
    /// How PDUs to the controller are laid out.
    pub to_controller: Format,
    /// How PDUs to the host are laid out.
    pub to_host: Format,
    /// Most bytes of data in one H2CData.
    pub max_h2c_data: u32,
    /// R2Ts that may be outstanding for one command: 1 to 2³².
    pub max_r2ts: u64,
}

impl Negotiated {
    /// What `response` makes of `request`. A digest is in use if both enable it.
    #[must_use]
    pub fn new(request: &IcReq, response: &IcResp) -> Self {
        let digests = request.digests().intersection(response.digests());
        Self {
            digests,
            to_controller: Format { digests, alignment: response.alignment() },
            to_host: Format { digests, alignment: request.alignment() },
            max_h2c_data: response.max_h2c_data,
            max_r2ts: request.max_r2ts(),
        }
    }
}

impl IcResp {
    /// For the host: what this response makes of the request it answers.
    ///
    /// # Errors
    /// See [`check_answers`](Self::check_answers).
    pub fn negotiate(&self, asked: &IcReq) -> Result<Negotiated, ProtocolError> {
        self.check_answers(asked)?;
        Ok(Negotiated::new(asked, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataAlignment;

    #[test]
    fn each_direction_has_the_alignment_its_receiver_asked_for() {
        let alignment = |field| DataAlignment::new(field).unwrap();
        let request = IcReq::new(alignment(3), Digests::BOTH, 3);
        let response = IcResp::new(alignment(15), Digests::HEADER, 4096);
        let agreed = response.negotiate(&request).unwrap();
        assert_eq!(agreed.digests, Digests::HEADER);
        assert_eq!(agreed.to_host, Format { digests: Digests::HEADER, alignment: alignment(3) });
        assert_eq!(agreed.to_controller, Format { digests: Digests::HEADER, alignment: alignment(15) });
        assert_eq!((agreed.max_h2c_data, agreed.max_r2ts), (4096, 4));
    }

    #[test]
    fn digests_nobody_asked_for() {
        let request = IcReq::new(DataAlignment::DWORD, Digests::NONE, 0);
        let response = IcResp::new(DataAlignment::DWORD, Digests::DATA, 4096);
        assert_eq!(response.negotiate(&request).map_err(|error| (error.fes.0, error.fei)), Err((1, 11)));
    }
}
