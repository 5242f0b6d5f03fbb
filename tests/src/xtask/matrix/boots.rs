//! Which guests a kernel's cases run in.

use crate::guest::Case;

/// How many cases share a guest. Few enough that the last guests of a whole run end at about the same time, and so many that
/// booting, which takes ten seconds, does not count.
const SHARE: usize = 70;

/// A guest, and the cases that run in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// The whole names of its cases.
    pub(super) cases: Vec<&'static str>,
    /// What its kernel is started with.
    pub(super) parameter: Option<&'static str>,
}

/// The guests that these cases need: some for most, and one for each parameter that some need. Cases are dealt out in turns,
/// since those that take long stand side by side.
pub(super) fn boots(wanted: &[Case]) -> Vec<Boot> {
    let (special, plain): (Vec<Case>, Vec<Case>) =
        wanted.iter().copied().partition(|case| case.parameter.is_some());
    let guests = plain.len().div_ceil(SHARE);
    let dealt = |guest| plain.iter().skip(guest).step_by(guests).map(|case| case.name).collect();
    let mut boots: Vec<Boot> =
        (0..guests).map(|guest| Boot { cases: dealt(guest), parameter: None }).collect();
    for case in special {
        match boots.iter_mut().find(|boot| boot.parameter == case.parameter) {
            Some(boot) => boot.cases.push(case.name),
            None => boots.push(Boot { cases: vec![case.name], parameter: case.parameter }),
        }
    }
    boots
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cases;

    #[test]
    fn every_case_runs_in_one_guest_and_none_has_many() {
        let all = cases::all();
        let boots = boots(&all);
        let names: Vec<_> = boots.iter().flat_map(|boot| &boot.cases).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(boots.iter().all(|boot| (1..=SHARE).contains(&boot.cases.len())), "{boots:?}");
    }

    #[test]
    fn cases_that_need_a_parameter_have_a_guest_of_their_own() {
        let plain = |name| Case::new(name, |_| Ok(()));
        let cases = [
            plain("a::b"),
            plain("a::c").on_a_kernel_with("x=1"),
            plain("a::d"),
            plain("a::e").on_a_kernel_with("x=1"),
        ];
        let common = Boot { cases: vec!["a::b", "a::d"], parameter: None };
        let own = Boot { cases: vec!["a::c", "a::e"], parameter: Some("x=1") };
        assert_eq!(boots(&cases), [common, own]);
        assert_eq!(boots(&cases[1..2]), [Boot { cases: vec!["a::c"], parameter: Some("x=1") }]);
        assert_eq!(boots(&[]), []);
    }
}
