//! The reply to a write of options.

use nvme_proto::Cntlid;

use crate::kernel::names::ControllerName;

/// `instance=3,cntlid=1`: the controller that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// `nvme<instance>`.
    pub controller: ControllerName,
    /// The identifier that the target gave; [`Cntlid::DYNAMIC`] while a Fibre Channel controller is still connecting.
    pub cntlid: Cntlid,
}

/// A reply that names no controller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kernel answered `{}`, which names no controller", .text.escape_debug())]
pub struct ReplyError {
    /// The reply.
    pub text: String,
}

impl Reply {
    /// Parses the reply; other parts than the two known ones are ignored.
    ///
    /// # Errors
    /// [`ReplyError`] when one of the two is missing or is no number in range; in particular `instance=-1`, which means that no controller was made.
    pub fn parse(text: &str) -> Result<Self, ReplyError> {
        let number = |key: &str| {
            text.split([',', '\n'])
                .filter_map(|part| part.trim_ascii().split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value)
        };
        let controller = number("instance").and_then(|n| ControllerName::parse(&format!("nvme{n}")));
        let cntlid = number("cntlid").and_then(|n| n.parse().ok());
        match (controller, cntlid) {
            (Some(controller), Some(cntlid)) => Ok(Self { controller, cntlid: Cntlid(cntlid) }),
            _ => Err(ReplyError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let reply = |n, cntlid| Ok(Reply { controller: ControllerName::new(n), cntlid: Cntlid(cntlid) });
        assert_eq!(Reply::parse("instance=3,cntlid=1\n"), reply(3, 1));
        assert_eq!(Reply::parse("instance=7,cntlid=65535"), reply(7, 65535));
        assert_eq!(Reply::parse("instance=7,cntlid=2,future=x\n"), reply(7, 2));
    }

    #[test]
    fn without_an_instance_it_is_never_nvme0() {
        for text in [
            "",
            "\n",
            "cntlid=1",
            "instance=,cntlid=1",
            "instance=-1,cntlid=-1,transport=%s",
            "instance=1,cntlid=65536",
            "instance=1",
        ] {
            assert_eq!(Reply::parse(text), Err(ReplyError { text: text.to_owned() }), "{text:?}");
        }
    }
}
