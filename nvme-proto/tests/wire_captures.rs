//! What a Linux host and a Linux target said to each other decodes without a violation and encodes to the same bytes.

mod common;
#[path = "common/pdus.rs"]
mod pdus;

use pdus::conversation;

macro_rules! check {
    ($($name:ident $file:literal $counts:expr;)+) => {$(
        #[test]
        fn $name() {
            let host = common::parse(include_str!(concat!("vectors/wire/", $file, "-host.hex")));
            let controller = common::parse(include_str!(concat!("vectors/wire/", $file, "-controller.hex")));
            assert_eq!(conversation(&host, &controller), $counts);
        }
    )+};
}

// How many there are of each: ICReq, ICResp, H2CTermReq, C2HTermReq, CapsuleCmd, CapsuleResp, H2CData, C2HData, R2T
check! {
    discovery "discover" [1, 1, 0, 0, 16, 16, 0, 5, 0];
    an_admin_queue "admin-plain" [1, 1, 0, 0, 23, 14, 0, 5, 0];
    an_admin_queue_with_both_digests "admin-digests" [1, 1, 0, 0, 23, 14, 0, 5, 0];
    an_io_queue_with_the_header_digest "io-header-digest" [1, 1, 0, 0, 4, 9, 0, 3, 2];
    an_io_queue_with_both_digests "io-digests" [1, 1, 0, 0, 4, 8, 0, 4, 0];
    authentication "auth" [1, 1, 0, 0, 8, 8, 0, 3, 0];
    authentication_that_fails "auth-refused" [1, 1, 0, 0, 5, 5, 0, 2, 0];
    a_host_that_may_not_connect "denied" [1, 1, 0, 0, 1, 1, 0, 0, 0];
}

#[test]
fn a_write_of_64_kib_with_both_digests() {
    let host = include_bytes!("vectors/wire/write-digests-host.bin");
    let controller = common::parse(include_str!("vectors/wire/write-digests-controller.hex"));
    assert_eq!(conversation(host, &controller), [1, 1, 0, 0, 2, 2, 1, 0, 2]);
}
