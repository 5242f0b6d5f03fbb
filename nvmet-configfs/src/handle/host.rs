//! Hosts.

use super::HandleError;
use super::node::{accessors, handle};
use super::values::{DhchapGroup, DhchapHash};
use crate::value::Value;

handle! {
    /// A host: a name that subsystems can permit, and its keys. A kernel built without `CONFIG_NVME_TARGET_AUTH` has no keys (`ENOENT`).
    Host
}

accessors! { Host {
    /// The hash, used from the next connect on.
    "dhchap_hash" dhchap_hash -> DhchapHash, set_dhchap_hash(DhchapHash);
    /// The Diffie-Hellman group, used from the next connect on.
    "dhchap_dhgroup" dhchap_dhgroup -> DhchapGroup, set_dhchap_dhgroup(DhchapGroup);
}}

impl Host<'_> {
    /// The host's key; empty when there is none. Secret: it is wiped when dropped, and must not be printed.
    ///
    /// # Errors
    /// `ENOENT` when this kernel does not have it.
    pub fn dhchap_key(&self) -> Result<Value, HandleError> {
        self.node.read("dhchap_key")
    }

    /// Stores the host's key (`DHHC-1:…:`), which is checked to its last bit first; the empty text takes it away (since Linux 6.12, `EINVAL`
    /// before). The kernel asks for it only where the host is permitted by name.
    ///
    /// # Errors
    /// [`HandleError::Value`], which does not show it; what the kernel answers.
    pub fn set_dhchap_key(&self, key: &str) -> Result<(), HandleError> {
        self.node.write("dhchap_key", key.as_bytes())
    }

    /// The target's own key, for authentication both ways; empty when there is none. Secret.
    ///
    /// # Errors
    /// `ENOENT` when this kernel does not have it.
    pub fn dhchap_ctrl_key(&self) -> Result<Value, HandleError> {
        self.node.read("dhchap_ctrl_key")
    }

    /// Stores the target's own key. As [`set_dhchap_key`](Self::set_dhchap_key).
    ///
    /// # Errors
    /// [`HandleError::Value`], which does not show it; what the kernel answers.
    pub fn set_dhchap_ctrl_key(&self, key: &str) -> Result<(), HandleError> {
        self.node.write("dhchap_ctrl_key", key.as_bytes())
    }

    /// Removes the host.
    ///
    /// # Errors
    /// `EBUSY` while a subsystem permits it.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}
