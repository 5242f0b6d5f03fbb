//! The properties of `nvmet_configfs::testing` on random input.

use nvmet_configfs::testing::{plan_holds, text_holds};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_state_is_reached_or_nothing_changes(data in vec(any::<u8>(), 0..400)) {
        plan_holds(&data);
    }

    #[test]
    fn any_text_is_read(data in vec(any::<u8>(), 0..64)) {
        text_holds(&data);
    }

    #[test]
    fn any_likely_text_is_read(text in "[-+0-9a-fx:/.\\n ]{0,40}") {
        text_holds(text.as_bytes());
    }
}
