#![doc = include_str!("why_connect_fails.md")]

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::kernel::connect::ConnectErrorKind;

    const CHAPTER: &str = include_str!("why_connect_fails.md");

    /// The first cell of every row of the table of kinds.
    fn rows() -> Vec<&'static str> {
        let code = |line: &'static str| line.strip_prefix("| `")?.split_once("` |").map(|(code, _)| code);
        CHAPTER.lines().filter_map(code).collect()
    }

    #[test]
    fn every_kind_has_its_row_and_no_row_is_left_over() {
        let kinds: Vec<&str> = ConnectErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(rows(), kinds, "in the order of the kinds");
    }

    #[test]
    fn every_row_says_what_to_do() {
        for line in CHAPTER.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 3, "{line}");
            assert!(cells.iter().skip(1).all(|cell| cell.ends_with('.')), "{line}");
        }
    }

    #[test]
    fn kinds_that_the_text_names_exist() {
        let known: BTreeSet<&str> = rows().into_iter().collect();
        let order = CHAPTER.split("# Every kind").next().unwrap();
        let named: Vec<&str> =
            order.split('`').skip(1).step_by(2).filter(|word| word.contains('-')).collect();
        assert!(named.len() > 10, "{named:?}");
        for word in named {
            assert!(known.contains(word), "{word}");
        }
    }
}
