//! The properties of `nvmet_configfs::testing` on random input.

use nvmet_configfs::testing;
use proptest::collection::vec;
use proptest::prelude::*;

/// This many cases, or `PROPTEST_CASES`.
fn cases(count: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(count),
    }
}

proptest! {
    #![proptest_config(cases(1000))]

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

    #[test]
    fn any_value_is_stored_as_it_is_meant_or_refused(data in vec(any::<u8>(), 0..300)) {
        testing::attributes(&data);
    }
}

#[cfg(feature = "serde")]
proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_file_is_read(text in "[-+0-9a-z_:/.\\[\\]{}\"= \n,]{0,80}") {
        testing::files(text.as_bytes());
    }

    #[test]
    fn any_target_says_what_makes_it(data in vec(any::<u8>(), 0..300)) {
        testing::saved(&data);
    }
}
