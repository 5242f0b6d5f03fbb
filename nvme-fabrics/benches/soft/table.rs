//! What is printed.

use std::fmt;

/// All that was measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

/// One bench beside its limit.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) limit_name: &'static str,
    /// Reads a second; `None`: there is no limit to be near to.
    pub(crate) limit: Option<f64>,
    pub(crate) ours: f64,
    /// What the budget is about.
    pub(crate) measure: f64,
    pub(crate) budget: Budget,
}

/// What is promised.
pub(crate) enum Budget {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing: for comparison.
    None,
}

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn has_missed(&self) -> bool {
        self.rows.iter().any(|row| !row.is_met())
    }
}

impl Row {
    /// What could not be measured does not meet anything.
    fn is_met(&self) -> bool {
        match self.budget {
            Budget::AtLeast(least) => self.measure >= least,
            Budget::AtMost(most) => self.measure <= most,
            Budget::None => true,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit_name, ours, measure, .. } = self;
        let limit = self.limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.0}/s"));
        let missed = if self.is_met() { "" } else { "**missed**" };
        let (ours, budget) = match (self.limit, &self.budget) {
            (Some(_), Budget::AtLeast(least)) => (format!("{ours:.0}/s"), format!(">= {least}")),
            (_, Budget::AtLeast(least)) => (format!("{ours:.3}"), format!(">= {least}")),
            (_, Budget::AtMost(most)) => (format!("{ours:.3}"), format!("<= {most}")),
            (_, Budget::None) => (format!("{ours:.3}"), String::new()),
        };
        write!(f, "| {name} | {limit_name} | {limit} | {ours} | {measure:.3} | {budget} | {missed} |")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| bench | limit row | limit | ours | ratio | budget | |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
