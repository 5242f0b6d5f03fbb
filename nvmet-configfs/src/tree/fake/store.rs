//! What each attribute of the simulated target takes. Each arm names the kernel function it answers like
//! (`drivers/nvme/target/configfs.c` unless it says otherwise).

use super::parse::{ascii_line, first_word, flag, int, line, scanned_u16, unsigned, uuid, version, word};
use super::{AddressField, Device, FakeKernel, State};
use crate::errno::Errno;
use crate::object::Object;
use crate::text;
use crate::tree::{Name, RelPath};

const EINVAL: Errno = Errno::EINVAL;

fn refuse(when: bool, errno: Errno) -> Result<(), Errno> {
    if when { Err(errno) } else { Ok(()) }
}

fn bit(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

impl State {
    /// Stores `value`, at most 4095 bytes, in the attribute `name` of the object at `dir`.
    pub(super) fn store(&mut self, dir: &RelPath, name: &Name, value: &[u8]) -> Result<(), Errno> {
        let text = name.to_str().ok_or(EINVAL)?;
        // A NUL ends the text for every parser of the kernel.
        let cut = value.split(|b| *b == 0).next().unwrap_or_default();
        let stored: Vec<u8> = match Object::of(&dir.join(name)) {
            Object::RootAttribute => self.store_root(text, cut)?,
            Object::HostAttribute => self.store_host(text, cut)?,
            Object::SubsystemAttribute => self.store_subsystem(dir, text, cut)?,
            Object::NamespaceAttribute => match self.store_namespace(dir, text, cut)? {
                Some(value) => value,
                None => return Ok(()),
            },
            Object::PassthruAttribute => self.store_passthru(dir, text, cut)?,
            Object::PortAttribute => self.store_port(dir, text, cut, value.len())?,
            Object::ReferralAttribute => self.store_referral(dir, text, cut, value.len())?,
            Object::AnaGroupAttribute => {
                // nvmet_ana_group_ana_state_store
                let states = ["optimized", "non-optimized", "inaccessible", "persistent-loss", "change"];
                word(cut, &states)?.into()
            }
            _ => return Err(EINVAL),
        };
        self.set(dir, name, stored);
        Ok(())
    }

    /// nvmet_root_discovery_nqn_store
    fn store_root(&mut self, name: &str, value: &[u8]) -> Result<Vec<u8>, Errno> {
        if name != "discovery_nqn" {
            return Err(EINVAL);
        }
        let nqn = line(value, 255)?;
        let subsystems = self.dir(&RelPath::root().at("subsystems"))?;
        refuse(subsystems.nodes.keys().any(|n| n.as_bytes().starts_with(nqn)), EINVAL)?;
        Ok(nqn.to_vec())
    }

    /// nvmet_host_dhchap_*_store, auth.c:nvmet_auth_set_key
    fn store_host(&mut self, name: &str, value: &[u8]) -> Result<Vec<u8>, Errno> {
        let prefix = |words: &[&str]| {
            let found = words.iter().find(|w| value.starts_with(w.as_bytes()));
            found.map(|w| w.as_bytes().to_vec()).ok_or(EINVAL)
        };
        match name {
            "dhchap_hash" => prefix(&["hmac(sha256)", "hmac(sha384)", "hmac(sha512)"]),
            "dhchap_dhgroup" => {
                prefix(&["null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"])
            }
            "dhchap_key" | "dhchap_ctrl_key" => {
                if value.is_empty() {
                    return Ok(Vec::new()); // one NUL byte clears the key, since 6.12
                }
                let rest = value.strip_prefix(b"DHHC-1:").ok_or(EINVAL)?;
                refuse(scanned_u16(rest)? > 3, EINVAL)?;
                Ok(value.trim_ascii_end().to_vec())
            }
            _ => Err(EINVAL),
        }
    }

    fn store_subsystem(&mut self, dir: &RelPath, name: &str, value: &[u8]) -> Result<Vec<u8>, Errno> {
        let identified = dir.file_name().is_some_and(|n| self.identified.contains(&n));
        let number = |of: &[u8]| str::from_utf8(of).ok().and_then(|v| v.parse::<u16>().ok()).unwrap_or(0);
        match name {
            // nvmet_subsys_attr_allow_any_host_store
            "attr_allow_any_host" => {
                let any = flag(value)?;
                refuse(any && self.has_entries(&dir.at("allowed_hosts")), EINVAL)?;
                Ok(bit(any).into())
            }
            // nvmet_subsys_attr_version_store_locked
            "attr_version" => {
                refuse(identified || self.value(&dir.at("passthru"), "enable") == b"1", EINVAL)?;
                Ok(version(value)?.into_bytes())
            }
            // nvmet_subsys_attr_serial_store: padded to the field of Identify Controller
            "attr_serial" => {
                refuse(identified, EINVAL)?;
                let mut serial = ascii_line(value, 20)?.to_vec();
                serial.resize(20, b' ');
                Ok(serial)
            }
            "attr_model" => {
                refuse(identified, EINVAL)?;
                Ok(ascii_line(value, 40)?.to_vec())
            }
            "attr_firmware" => {
                refuse(identified, EINVAL)?;
                Ok(ascii_line(value, 8)?.to_vec())
            }
            "attr_ieee_oui" => {
                refuse(identified, EINVAL)?;
                let oui = unsigned(value, 0xffff_ffff)?;
                refuse(oui >= 0x100_0000, EINVAL)?;
                Ok(format!("{oui:#08x}").into_bytes())
            }
            // nvmet_subsys_attr_cntlid_min_store: equal bounds are refused up to 6.6
            "attr_cntlid_min" => {
                let (min, max) = (scanned_u16(value)?, number(self.value(dir, "attr_cntlid_max")));
                refuse(min == 0 || min > max || (min == max && self.kernel < FakeKernel::V6_12), EINVAL)?;
                Ok(min.to_string().into_bytes())
            }
            "attr_cntlid_max" => {
                let (max, min) = (scanned_u16(value)?, number(self.value(dir, "attr_cntlid_min")));
                refuse(max == 0 || max < min || (min == max && self.kernel < FakeKernel::V6_12), EINVAL)?;
                Ok(max.to_string().into_bytes())
            }
            "attr_qid_max" => {
                let max = scanned_u16(value)?;
                refuse(!(1..=128).contains(&max), EINVAL)?;
                Ok(max.to_string().into_bytes())
            }
            "attr_vendor_id" | "attr_subsys_vendor_id" => {
                let id = unsigned(value, 0xffff).map_err(|_| EINVAL)?;
                Ok(format!("{id:#x}").into_bytes())
            }
            "attr_pi_enable" => Ok(bit(flag(value)?).into()),
            _ => Err(EINVAL),
        }
    }

    /// `None`: stored, or nothing to store.
    fn store_namespace(&mut self, dir: &RelPath, name: &str, value: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let enabled = self.value(dir, "enable") == b"1";
        let stored: Vec<u8> = match name {
            // nvmet_ns_device_path_store
            "device_path" => {
                refuse(enabled, Errno::EBUSY)?;
                line(value, usize::MAX)?.to_vec()
            }
            "device_uuid" => {
                refuse(enabled, Errno::EBUSY)?;
                text::hyphenated(&uuid(value)?).into()
            }
            "device_nguid" => {
                refuse(enabled, Errno::EBUSY)?;
                let (nguid, _) = text::hex_pairs(value).ok_or(EINVAL)?;
                text::hyphenated(&nguid).into()
            }
            // nvmet_ns_ana_grpid_store: 128 becomes 0 since 6.1
            "ana_grpid" => match unsigned(value, 0xffff_ffff)? {
                128 => "0".into(),
                id @ 1..128 => id.to_string().into(),
                _ => return Err(EINVAL),
            },
            // nvmet_ns_enable_store
            "enable" => {
                if flag(value)? {
                    self.enable_namespace(dir)?;
                    return Ok(None);
                }
                "0".into()
            }
            "buffered_io" | "resv_enable" => {
                let on = flag(value)?;
                refuse(enabled, EINVAL)?;
                bit(on).into()
            }
            // nvmet_ns_revalidate_size_store
            "revalidate_size" => {
                refuse(!flag(value)? || !enabled, EINVAL)?;
                return Ok(None);
            }
            // nvmet_ns_p2pmem_store, drivers/pci/p2pdma.c:pci_p2pdma_enable_store
            "p2pmem" => {
                refuse(enabled, Errno::EBUSY)?;
                word(value, &["0", "1"]).map_err(|_| Errno::ENODEV)?.into()
            }
            _ => return Err(EINVAL),
        };
        Ok(Some(stored))
    }

    /// nvmet_passthru_*_store, passthru.c:nvmet_passthru_ctrl_enable
    fn store_passthru(&mut self, dir: &RelPath, name: &str, value: &[u8]) -> Result<Vec<u8>, Errno> {
        let enabled = self.value(dir, "enable") == b"1";
        match name {
            "device_path" => {
                refuse(enabled, Errno::EBUSY)?;
                Ok(line(value, usize::MAX)?.to_vec())
            }
            "enable" => {
                let subsystem = dir.parent().unwrap_or(RelPath::root());
                if !flag(value)? {
                    // Even if it never was enabled.
                    self.set(&subsystem, &Name::fixed("attr_version"), self.kernel.version());
                    return Ok("0".into());
                }
                let path = self.value(dir, "device_path");
                refuse(path == b"(null)" || enabled, EINVAL)?;
                let group = subsystem.at("namespaces");
                let any = self.kernel >= FakeKernel::V7_3;
                let namespaces = self.dir(&group)?.nodes.keys();
                let blocks = |n: &Name| any || self.value(&group.join(n), "enable") == b"1";
                refuse(namespaces.into_iter().any(blocks), EINVAL)?;
                match self.devices.get(path) {
                    None => Err(Errno::ENOENT),
                    Some(Device::Character) if path.starts_with(b"/dev/nvme") => {
                        // The version is the controller's from now on.
                        self.set(&subsystem, &Name::fixed("attr_version"), "1.4");
                        Ok("1".into())
                    }
                    Some(_) => Err(EINVAL),
                }
            }
            "admin_timeout" | "io_timeout" | "clear_ids" => {
                Ok(unsigned(value, 0xffff_ffff).map_err(|_| EINVAL)?.to_string().into_bytes())
            }
            _ => Err(EINVAL),
        }
    }

    fn store_port(&mut self, dir: &RelPath, name: &str, value: &[u8], len: usize) -> Result<Vec<u8>, Errno> {
        let live = self.is_live(dir);
        match name {
            // nvmet_param_pi_enable_store
            "param_pi_enable" => {
                let on = flag(value)?;
                refuse(live, Errno::EACCES)?;
                Ok(bit(on).into())
            }
            "param_inline_data_size" | "param_max_queue_size" => {
                refuse(live, Errno::EACCES)?;
                Ok(int(value)?.to_string().into_bytes())
            }
            "param_mdts" => {
                refuse(live, Errno::EACCES)?;
                let mdts = int(value)?;
                refuse(!(0..=255).contains(&mdts), EINVAL)?;
                Ok(mdts.to_string().into_bytes())
            }
            // nvmet_addr_tsas_store
            "addr_tsas" => {
                refuse(live, Errno::EACCES)?;
                match (self.value(dir, "addr_trtype"), word(value, &["none", "tls1.3", "connected"])?) {
                    (b"tcp", "none") => {
                        self.set(dir, &Name::fixed("addr_treq"), "not specified");
                        Ok("none".into())
                    }
                    (b"tcp", "tls1.3") => {
                        if self.value(dir, "addr_treq") == b"not specified" {
                            self.set(dir, &Name::fixed("addr_treq"), "required");
                        }
                        Ok("tls1.3".into())
                    }
                    (b"rdma", "connected") => Ok("connected".into()),
                    _ => Err(EINVAL),
                }
            }
            // nvmet_addr_trtype_store
            "addr_trtype" => {
                let trtype = self.store_address(name, value, len, live)?;
                let tsas = match trtype.as_slice() {
                    b"tcp" => "none",
                    b"rdma" => "connected",
                    _ => "",
                };
                self.set(dir, &Name::fixed("addr_tsas"), tsas);
                Ok(trtype)
            }
            // nvmet_addr_treq_store
            "addr_treq" => {
                let treq = self.store_address(name, value, len, live)?;
                let tls =
                    self.value(dir, "addr_trtype") == b"tcp" && self.value(dir, "addr_tsas") == b"tls1.3";
                refuse(tls && treq == b"not specified", EINVAL)?;
                Ok(treq)
            }
            _ => self.store_address(name, value, len, live),
        }
    }

    fn store_referral(
        &mut self,
        dir: &RelPath,
        name: &str,
        value: &[u8],
        len: usize,
    ) -> Result<Vec<u8>, Errno> {
        let enabled = self.value(dir, "enable") == b"1";
        match name {
            "enable" => Ok(bit(flag(value)?).into()),
            "addr_portid" => {
                let id = unsigned(value, 0xffff).map_err(|_| EINVAL)?;
                refuse(enabled, Errno::EACCES)?;
                Ok(id.to_string().into_bytes())
            }
            _ => self.store_address(name, value, len, enabled),
        }
    }

    /// What ports and referrals share. `len` is that of the write, which the kernel checks first.
    fn store_address(&self, name: &str, value: &[u8], len: usize, live: bool) -> Result<Vec<u8>, Errno> {
        let pci = self.kernel >= FakeKernel::V7_3;
        let choose = |words: &[&'static str]| {
            refuse(live, Errno::EACCES)?;
            let all = words.iter().copied().chain(pci.then_some("pci"));
            word(value, &all.collect::<Vec<_>>()).map(|w| w.as_bytes().to_vec())
        };
        match name {
            "addr_trtype" => choose(&["rdma", "fc", "tcp", "loop"]),
            "addr_adrfam" => choose(&["ipv4", "ipv6", "ib", "fc", "loop"]),
            "addr_treq" => {
                refuse(live, Errno::EACCES)?;
                Ok(word(value, &["not specified", "required", "not required"])?.into())
            }
            "addr_traddr" | "addr_trsvcid" => {
                let field = if name == "addr_traddr" { 256 } else { 32 };
                refuse(len > field, EINVAL)?;
                refuse(live, Errno::EACCES)?;
                refuse(value.is_empty(), EINVAL)?; // a NUL at the start
                let kept = field - usize::from(self.address_field == AddressField::EndsInNul);
                let word = first_word(value);
                Ok(word.get(..kept).unwrap_or(word).to_vec())
            }
            _ => Err(EINVAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::errno::Errno;
    use crate::tree::{FakeKernel, FakeTree, RelPath, Tree};

    fn path(p: &str) -> RelPath {
        RelPath::new(p).unwrap()
    }

    #[test]
    fn identified_subsystems_keep_their_names() {
        let tree = FakeTree::new(FakeKernel::V6_12);
        tree.mkdir(&path("subsystems/s")).unwrap();
        tree.write(&path("subsystems/s/attr_model"), b"One").unwrap();
        tree.identify(&"s".parse().unwrap());
        let error = tree.write(&path("subsystems/s/attr_model"), b"Two").unwrap_err();
        assert_eq!(error.errno(), Errno::EINVAL);
        assert!(error.hint().unwrap().contains("host has connected"));
        assert_eq!(tree.read(&path("subsystems/s/attr_model")).unwrap(), b"One\n");
    }

    #[test]
    fn the_longest_addresses_are_kept_as_the_kernel_at_hand_does() {
        use crate::testing::address_field;
        use crate::tree::AddressField;
        for (field, kept) in [(AddressField::Whole, 32), (AddressField::EndsInNul, 31)] {
            let tree = FakeTree::new(FakeKernel::V6_12).with_address_field(field);
            assert_eq!(address_field(&tree).unwrap(), field);
            assert!(tree.list(&path("ports")).unwrap().is_empty());
            tree.mkdir(&path("ports/1")).unwrap();
            tree.write(&path("ports/1/addr_trsvcid"), &[b'1'; 32]).unwrap();
            assert_eq!(tree.read(&path("ports/1/addr_trsvcid")).unwrap().len(), kept + 1);
            tree.write(&path("ports/1/addr_trsvcid"), b"4420").unwrap();
            assert_eq!(tree.read(&path("ports/1/addr_trsvcid")).unwrap(), b"4420\n");
        }
    }

    #[test]
    fn requirements_follow_the_security_of_a_port() {
        let tree = FakeTree::new(FakeKernel::V7_3);
        tree.mkdir(&path("ports/1")).unwrap();
        tree.write(&path("ports/1/addr_trtype"), b"tcp").unwrap();
        tree.write(&path("ports/1/addr_tsas"), b"tls1.3").unwrap();
        assert_eq!(tree.read(&path("ports/1/addr_treq")).unwrap(), b"required\n");
        assert_eq!(
            tree.write(&path("ports/1/addr_treq"), b"not specified").unwrap_err().errno(),
            Errno::EINVAL
        );
        tree.write(&path("ports/1/addr_tsas"), b"none").unwrap();
        assert_eq!(tree.read(&path("ports/1/addr_treq")).unwrap(), b"not specified\n");
    }
}
