//! Configurations of a target as different as they come, in this project's own format, and what nvmetcli's format makes of each.

/// A target, and what of it nvmetcli's format or nvmetcli itself does not bring back.
pub(super) struct Configuration {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) keys: &'static str,
    /// Not held by the format: lost whoever saves or restores.
    pub(super) not_held: &'static [Loss],
    /// In the file, and yet not as it was after `nvmetcli restore`.
    pub(super) not_restored: &'static [Loss],
}

/// An attribute that does not come back.
pub(super) struct Loss {
    pub(super) attribute: &'static str,
    pub(super) was: &'static str,
    pub(super) becomes: &'static str,
    /// Only where the kernel has this attribute, too.
    pub(super) beside: &'static str,
}

/// One that the format has no place for.
pub(super) const fn loss(attribute: &'static str, was: &'static str, becomes: &'static str) -> Loss {
    Loss { attribute, was, becomes, beside: attribute }
}

/// nvmetcli stores attributes in alphabetical order, and `addr_tsas`, which comes last, resets `addr_treq`.
const fn treq(attribute: &'static str, was: &'static str, beside: &'static str) -> Loss {
    Loss { attribute, was, becomes: "not specified", beside }
}

const fn plain(name: &'static str, text: &'static str) -> Configuration {
    Configuration { name, text, keys: "", not_held: &[], not_restored: &[] }
}

/// They use `/dev/ram0` to `/dev/ram3`.
pub(super) const ALL: &[Configuration] = &[
    plain(
        "the guide's",
        r#"
[subsystems.mysub]
hosts = "any"
[subsystems.mysub.namespaces.1]
device_path = "/dev/ram0"
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
subsystems = ["mysub"]
"#,
    ),
    plain(
        "hosts by name",
        r#"
[hosts."nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
[hosts."nqn.2024-05.org.example:b"]
[hosts."nqn.2024-05.org.example:nobody-wants-me"]
[subsystems."nqn.2024-05.org.example:both"]
hosts = ["nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "nqn.2024-05.org.example:b"]
[subsystems."nqn.2024-05.org.example:one"]
hosts = ["nqn.2024-05.org.example:b"]
[subsystems."nqn.2024-05.org.example:none"]
hosts = []
"#,
    ),
    Configuration {
        keys: r#"
version = 1
[hosts."nqn.2024-05.org.example:one-way"]
dhchap_key = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"
[hosts."nqn.2024-05.org.example:both-ways"]
dhchap_key = "DHHC-1:01:hz0G18jRd/Apnc51duyyy1iDFhL+hZaDwVcQLiuwip4FEvAv:"
dhchap_ctrl_key = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:"
"#,
        ..plain(
            "hosts with keys",
            r#"
[hosts."nqn.2024-05.org.example:one-way"]
dhchap_hash = "hmac(sha512)"
[hosts."nqn.2024-05.org.example:both-ways"]
dhchap_hash = "hmac(sha384)"
dhchap_dhgroup = "ffdhe3072"
[hosts."nqn.2024-05.org.example:without"]
[subsystems."nqn.2024-05.org.example:s"]
hosts = ["nqn.2024-05.org.example:one-way", "nqn.2024-05.org.example:both-ways"]
"#,
        )
    },
    plain(
        "ANA groups",
        r#"
[subsystems.s]
hosts = "any"
[subsystems.s.namespaces.1]
device_path = "/dev/ram0"
[subsystems.s.namespaces.2]
device_path = "/dev/ram1"
ana_grpid = 2
[subsystems.s.namespaces.3]
device_path = "/dev/ram2"
ana_grpid = 127
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
subsystems = ["s"]
ana_groups = { 1 = "optimized", 2 = "non-optimized", 127 = "inaccessible" }
[ports.2]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4421"
subsystems = ["s"]
ana_groups = { 1 = "inaccessible", 2 = "persistent-loss", 127 = "change" }
"#,
    ),
    plain(
        "referrals",
        r#"
[subsystems.s]
hosts = "any"
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
subsystems = ["s"]
[ports.1.referrals.there]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "192.0.2.7"
addr_trsvcid = "8009"
addr_portid = 7
addr_treq = "required"
[ports.1.referrals.elsewhere]
addr_trtype = "rdma"
addr_adrfam = "ipv6"
addr_traddr = "2001:db8::7"
addr_trsvcid = "4420"
addr_treq = "not required"
enable = false
"#,
    ),
    Configuration {
        not_restored: &[
            treq("ports/3/addr_treq", "required", "ports/3/addr_tsas"),
            treq("ports/4/addr_treq", "not required", "ports/4/addr_tsas"),
        ],
        ..plain(
            "TLS",
            r#"
[subsystems.s]
hosts = "any"
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
addr_tsas = "tls1.3"
addr_treq = "required"
subsystems = ["s"]
[ports.2]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4421"
addr_tsas = "tls1.3"
addr_treq = "not required"
subsystems = ["s"]
[ports.3]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4422"
addr_tsas = "none"
addr_treq = "required"
subsystems = ["s"]
[ports.4]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::1"
addr_trsvcid = "4423"
addr_treq = "not required"
"#,
        )
    },
    plain(
        "pass-through, set up and not enabled",
        r#"
[subsystems.s]
hosts = "any"
passthru = { enable = false, device_path = "/dev/nvme9", admin_timeout = 100, io_timeout = 200, clear_ids = 1 }
[subsystems.t]
hosts = []
"#,
    ),
    plain(
        "who the subsystem says it is",
        r#"
[subsystems.s]
hosts = "any"
attr_serial = "SER IAL 0001"
attr_model = "A model of forty characters as it may be"
attr_firmware = "1.2 beta"
attr_version = "1.4.1"
attr_ieee_oui = 0xabcdef
attr_vendor_id = 0x1af4
attr_subsys_vendor_id = 0xffff
attr_pi_enable = true
[subsystems.t]
hosts = "any"
attr_serial = "x"
attr_model = "y"
attr_version = "2.1"
"#,
    ),
    plain(
        "IPv6 and any address",
        r#"
[subsystems.s]
hosts = "any"
[ports.0]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::1"
addr_trsvcid = "4420"
subsystems = ["s"]
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv6"
addr_traddr = "::"
addr_trsvcid = "4421"
subsystems = ["s"]
[ports.8192]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "0.0.0.0"
addr_trsvcid = "4422"
subsystems = ["s"]
"#,
    ),
    plain(
        "parameters of ports",
        r#"
[subsystems.s]
hosts = "any"
[ports.1]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4420"
param_inline_data_size = 0
param_max_queue_size = 16
param_mdts = 5
subsystems = ["s"]
[ports.2]
addr_trtype = "tcp"
addr_adrfam = "ipv4"
addr_traddr = "127.0.0.1"
addr_trsvcid = "4421"
param_inline_data_size = 65536
param_max_queue_size = 1024
param_mdts = 0
[ports.3]
addr_trtype = "rdma"
addr_adrfam = "ib"
addr_traddr = "fe80::1"
addr_trsvcid = "4420"
[ports.4]
addr_trtype = "loop"
"#,
    ),
    plain(
        "controller ids and queues",
        r#"
[subsystems.s]
hosts = "any"
attr_cntlid_min = 100
attr_cntlid_max = 199
attr_qid_max = 3
[subsystems.t]
hosts = "any"
attr_cntlid_min = 65000
attr_cntlid_max = 65519
attr_qid_max = 128
"#,
    ),
    Configuration {
        not_held: &[
            loss("subsystems/s/namespaces/2/buffered_io", "1", "0"),
            loss("subsystems/s/namespaces/8000/buffered_io", "1", "0"),
        ],
        ..plain(
            "namespaces of all kinds",
            r#"
[subsystems.s]
hosts = "any"
[subsystems.s.namespaces.1]
device_path = "/dev/ram0"
device_uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6b01"
device_nguid = "01234567-89ab-cdef-0123-456789abcd01"
[subsystems.s.namespaces.2]
device_path = "/dev/ram1"
buffered_io = true
enable = false
[subsystems.s.namespaces.3]
enable = false
[subsystems.s.namespaces.4]
device_path = "/a path with blanks"
enable = false
resv_enable = true
[subsystems.s.namespaces.8000]
device_path = "/dev/ram3"
buffered_io = true
"#,
        )
    },
];
