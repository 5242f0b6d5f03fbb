//! The result as a picture: how latencies are distributed, and how the rate went over time.
//!
//! The SVG names generic fonts only, so that it looks alike wherever it is opened and needs no font to be made.

use std::path::Path;

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::error::BenchError;
use super::job::Op;
use super::report::{Report, time};
use crate::size;

const SIZE: (u32, u32) = (1100, 860);
/// Columns of the latency distribution for each factor of ten.
const COLUMNS: f64 = 24.0;
const INK: RGBColor = RGBColor(33, 37, 41);
const FAINT: RGBColor = RGBColor(108, 117, 125);
const GRID: RGBColor = RGBColor(226, 230, 234);
const READS: RGBColor = RGBColor(31, 119, 180);
const WRITES: RGBColor = RGBColor(226, 115, 24);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Writes the picture of a report.
///
/// # Errors
/// [`BenchError::Plot`] when it cannot be drawn or the file cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<(), BenchError> {
    let error = |reason: String| BenchError::Plot { path: path.to_owned(), reason };
    let svg = draw(report).map_err(|cause| error(cause.to_string()))?;
    std::fs::write(path, svg).map_err(|cause| error(cause.to_string()))
}

/// The picture as SVG.
fn draw(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(84);
        header(report, &head)?;
        let (above, below) = body.split_vertically(420);
        distribution(report, &above)?;
        over_time(report, &below)?;
        root.present()?;
    }
    Ok(svg)
}

fn colour(op: Op) -> RGBColor {
    match op {
        Op::Read => READS,
        Op::Write => WRITES,
    }
}

fn font(size: u32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

fn header(report: &Report, area: &Area<'_>) -> Drawn {
    let job = &report.job;
    let bold = ("sans-serif", 26).into_font().style(FontStyle::Bold).color(&INK);
    let title = job.pattern.to_string();
    area.draw(&Text::new(title, (28, 14), bold))?;
    area.draw(&Text::new(shortened(&report.target), (28, 44), font(15, INK)))?;
    let share = report.rate(report.bytes(report.ios())) / f64::from(1 << 20);
    let second = format!(
        "{} blocks, queue depth {}, {} job{}, {}  ·  {} IOPS, {share:.1} MiB/s over {:.1} s  ·  {:.1} us of processor time per I/O",
        size::show(job.block_size.into()),
        job.io_depth,
        job.jobs,
        if job.jobs == 1 { "" } else { "s" },
        report.engine,
        grouped(report.iops()),
        report.seconds,
        report.cpu.us_per_io(report.ios())
    );
    area.draw(&Text::new(second, (28, 63), font(15, FAINT)))?;
    Ok(())
}

/// A name that fits into a line: an NQN may be longer than the picture is wide.
fn shortened(name: &str) -> String {
    /// Letters of this size that fit.
    const ROOM: usize = 140;
    match name.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// A column of the distribution: where it begins in nanoseconds, and which percentage of all I/Os lies in it.
fn columns(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut columns: Vec<(i32, u64)> = Vec::new();
    for value in latencies.iter_recorded() {
        let index = ((value.value_iterated_to().max(1) as f64).log10() * COLUMNS).floor() as i32;
        match columns.last_mut() {
            Some((last, count)) if *last == index => *count += value.count_since_last_iteration(),
            _ => columns.push((index, value.count_since_last_iteration())),
        }
    }
    let all = latencies.len().max(1) as f64;
    columns.into_iter().map(|(index, count)| (edge(index), count as f64 / all * 100.0)).collect()
}

fn edge(index: i32) -> f64 {
    10f64.powf(f64::from(index) / COLUMNS)
}

/// One of the two charts, still without its axes.
fn chart<'a, 'b>(area: &'a Area<'b>, caption: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.caption(caption, font(18, INK)).margin(12).margin_right(28);
    chart.x_label_area_size(48).y_label_area_size(76);
    chart
}

/// Says which colour is which direction.
fn legend<'a, 'b: 'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'b>, C>,
    at: SeriesLabelPosition,
) -> Drawn {
    let mut labels = chart.configure_series_labels();
    labels.position(at).background_style(WHITE.mix(0.9)).border_style(GRID).label_font(font(13, INK));
    labels.draw()?;
    Ok(())
}

/// The outline of columns, from the left to the right: down to nothing where there are none.
fn outline(columns: &[(f64, f64)], low: f64, high: f64) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::new();
    for (from, share) in columns {
        let (from, to) = (from.max(low), (from * edge(1)).min(high));
        match line.last().copied() {
            // The same edge, but for what rounding makes of it.
            Some((last, _)) if from < last * 1.001 => {
                line.pop();
            }
            _ => line.push((from, 0.0)),
        }
        line.extend([(from, *share), (to, *share), (to, 0.0)]);
    }
    line
}

fn distribution(report: &Report, area: &Area<'_>) -> Drawn {
    let sides: Vec<(Op, &Histogram<u64>)> = report.sides().collect();
    let all: Vec<(Op, Vec<(f64, f64)>)> = sides.iter().map(|(op, l)| (*op, columns(l))).collect();
    let least = sides.iter().map(|(_, l)| l.min()).min().unwrap_or(1).max(1) as f64;
    let most = sides.iter().map(|(_, l)| l.max()).max().unwrap_or(1).max(1) as f64;
    // Whole half decades, so that neither end sticks to the frame.
    let low = 10f64.powf((least.log10() * 2.0).floor() / 2.0);
    let high = 10f64.powf(((most.log10() * 2.0).floor() + 1.0) / 2.0);
    let top = all.iter().flat_map(|(_, columns)| columns).map(|(_, share)| *share).fold(1.0, f64::max);
    // Room above the columns for the words at the percentiles.
    let top = top * (1.1 + 0.25 * sides.len() as f64);

    let mut chart =
        chart(area, "Latency distribution").build_cartesian_2d((low..high).log_scale(), 0.0..top)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(font(13, INK))
        .axis_desc_style(font(14, FAINT))
        .x_desc("latency, log scale")
        .y_desc("share of the I/Os, %")
        .x_label_formatter(&|ns| tick(*ns))
        .y_label_formatter(&|share| format!("{share:.0}"))
        .draw()?;
    for (op, columns) in &all {
        let colour = colour(*op);
        let bars = columns.iter().map(|(from, share)| {
            let to = from * edge(1);
            Rectangle::new([(from.max(low), 0.0), (to.min(high), *share)], colour.mix(0.25).filled())
        });
        chart.draw_series(bars)?;
        // Two directions often lie one over the other: the outlines tell them apart.
        chart
            .draw_series(LineSeries::new(outline(columns, low, high), colour.stroke_width(2)))?
            .label(op.to_string() + "s")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    // The percentiles of two directions stand at different heights, so that their words do not overlap.
    for (row, (op, latencies)) in sides.iter().enumerate() {
        let colour = colour(*op);
        for (index, (name, quantile)) in
            [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)].into_iter().enumerate()
        {
            let ns = latencies.value_at_quantile(quantile) as f64;
            let x = ns.clamp(low, high);
            let height = top * (0.96 - 0.06 * (index + 3 * row) as f64);
            chart.draw_series(DashedLineSeries::new(
                [(x, 0.0), (x, height)],
                5,
                4,
                colour.stroke_width(1),
            ))?;
            let near_end = (x / low).ln() > 0.8 * (high / low).ln();
            let (side, shift) = if near_end { (HPos::Right, -6) } else { (HPos::Left, 6) };
            let style = font(13, colour).pos(Pos::new(side, VPos::Center));
            let word = format!("{name} {}", time(ns));
            chart.draw_series([EmptyElement::at((x, height)) + Text::new(word, (shift, 0), style)])?;
        }
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn over_time(report: &Report, area: &Area<'_>) -> Drawn {
    let rate = |op: Op| {
        report.timeline.iter().map(move |sample| {
            let rate = match op {
                Op::Read => sample.reads,
                Op::Write => sample.writes,
            };
            (sample.at, rate)
        })
    };
    let ops: Vec<Op> = report.sides().map(|(op, _)| op).collect();
    let top = ops.iter().flat_map(|op| rate(*op)).map(|(_, rate)| rate).fold(1.0, f64::max) * 1.15;
    let end = report.seconds.max(report.timeline.last().map_or(0.1, |sample| sample.at));
    let mut chart = chart(area, "I/Os per second over time").build_cartesian_2d(0.0..end, 0.0..top)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(font(13, INK))
        .axis_desc_style(font(14, FAINT))
        .x_desc("seconds")
        .y_desc("IOPS")
        .x_label_formatter(&|seconds| format!("{}", (seconds * 10.0).round() / 10.0))
        .y_label_formatter(&|rate| short(*rate))
        .draw()?;
    for op in ops {
        let colour = colour(op);
        chart.draw_series(AreaSeries::new(rate(op), 0.0, colour.mix(0.12)))?;
        chart
            .draw_series(LineSeries::new(rate(op), colour.stroke_width(2)))?
            .label(op.to_string() + "s")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

/// A latency on the axis: `100 us`, `1 ms`.
fn tick(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 999.5 => (ns, "ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "us"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", (value * 100.0).round() / 100.0)
}

/// A rate on the axis: `12k`, `1.5M`.
fn short(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{}M", (rate / 1e5).round() / 10.0),
        rate if rate >= 1e3 => format!("{}k", (rate / 1e2).round() / 10.0),
        _ => grouped(rate),
    }
}

/// A whole number with commas between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::job::Pattern;
    use super::super::report::tests::made;
    use super::*;

    #[test]
    fn the_picture_says_what_it_shows() {
        let svg = draw(&made(Pattern::RandRw)).unwrap();
        for wanted in [
            "<svg",
            "random read and write",
            "/dev/nvme9n1",
            "Latency distribution",
            "I/Os per second over time",
            "p99.9",
            "latency, log scale",
            "reads",
            "writes",
            "4 KiB blocks, queue depth 32, 2 jobs, io_uring",
            "</svg>",
        ] {
            assert!(svg.contains(wanted), "{wanted:?} is missing");
        }
    }

    #[test]
    fn all_ios_are_in_some_column() {
        let report = made(Pattern::RandRw);
        for (_, latencies) in report.sides() {
            let sum: f64 = columns(latencies).iter().map(|(_, share)| share).sum();
            assert!((sum - 100.0).abs() < 1e-6, "{sum}");
        }
    }

    #[test]
    fn a_run_without_ios_is_drawn_too() {
        let mut report = made(Pattern::RandRead);
        (report.reads, report.timeline) = (None, Vec::new());
        assert!(draw(&report).unwrap().contains("0 IOPS"));
    }

    #[test]
    fn the_outline_of_columns_falls_where_there_are_none() {
        let (ten, hundred) = (edge(24), edge(48));
        let line = outline(&[(ten, 4.0), (edge(25), 2.0), (hundred, 1.0)], 1.0, 1e6);
        let shares: Vec<f64> = line.iter().map(|(_, share)| *share).collect();
        assert_eq!(shares, [0.0, 4.0, 4.0, 2.0, 2.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        assert!(line.is_sorted_by(|one, next| one.0 <= next.0 * 1.000_001), "{line:?}");
        assert_eq!(outline(&[], 1.0, 10.0), []);
    }

    #[test]
    fn a_long_name_is_shortened() {
        assert_eq!(shortened("/dev/nvme0n1"), "/dev/nvme0n1");
        let long = shortened(&"ü".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (141, true));
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(12.0), "12");
        assert_eq!(
            (short(999.0), short(5_000.0), short(12_340.0), short(1.26e6)),
            ("999".into(), "5k".into(), "12.3k".into(), "1.3M".into())
        );
        assert_eq!((tick(1e3), tick(1e5), tick(3.162e6)), ("1 us".into(), "100 us".into(), "3.16 ms".into()));
    }
}
