//! The golden vectors.

#![allow(dead_code, reason = "each test file uses its part")]

/// A vector file: `len N`, then `offset: hex` lines; what is not listed is zero.
pub(crate) fn parse(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(len) = line.strip_prefix("len ") {
            bytes = vec![0; len.parse().expect("a length")];
            continue;
        }
        let (at, hex) = line.split_once(": ").expect("offset: hex");
        let at = usize::from_str_radix(at, 16).expect("an offset");
        let row: Vec<u8> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        bytes[at..at + row.len()].copy_from_slice(&row);
    }
    assert!(!bytes.is_empty(), "no `len` line");
    bytes
}

macro_rules! vectors {
    ($($name:ident $file:literal)+) => {$(
        pub(crate) fn $name() -> Vec<u8> {
            parse(include_str!(concat!("../vectors/", $file, ".hex")))
        }
    )+};
}

vectors! {
    identify_controller_discovery "identify-controller-discovery"
    identify_controller_io "identify-controller-io"
    identify_controller_made "identify-controller-made"
    identify_namespace "identify-namespace-1"
    discovery_header_3 "discovery-header-3"
    discovery_entries_3 "discovery-entries-3"
    discovery_header_2 "discovery-header-2"
    discovery_entries_2 "discovery-entries-2"
    discovery_log_made "discovery-log-made"
    active_namespaces "active-namespaces"
    namespace_descriptors_1 "namespace-descriptors-1"
    namespace_descriptors_7 "namespace-descriptors-7"
    namespace_descriptors_made "namespace-descriptors-made"
    identify_namespace_7 "identify-namespace-7"
    log_ana "log-ana"
    log_ana_made "log-ana-made"
    log_effects "log-effects"
    log_error "log-error"
    log_error_made "log-error-made"
    log_health "log-health"
}

/// Whole pages: the header as far as it was read, zeros, the entries.
pub(crate) fn discovery_pages() -> [Vec<u8>; 3] {
    let page = |mut header: Vec<u8>, entries: Vec<u8>| {
        header.resize(1024, 0);
        header.extend(entries);
        header
    };
    [
        page(discovery_header_3(), discovery_entries_3()),
        page(discovery_header_2(), discovery_entries_2()),
        discovery_log_made(),
    ]
}
