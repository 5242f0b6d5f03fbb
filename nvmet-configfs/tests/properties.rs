//! The properties of `nvmet_configfs::testing` on random input.

use nvmet_configfs::testing;
use proptest::collection::vec;
use proptest::prelude::*;

/// 1000 cases, or `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(1000),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_state_is_reached_or_nothing_changes(data in vec(any::<u8>(), 0..400)) {
        testing::plan(&data);
    }

    #[test]
    fn any_text_is_read(data in vec(any::<u8>(), 0..64)) {
        testing::text(&data);
    }

    #[test]
    fn any_likely_text_is_read(text in "[-+0-9a-fx:/.\\n ]{0,40}") {
        testing::text(text.as_bytes());
    }
}
