//! The result in the shape of `fio --output-format=json --group_reporting`, for the fields that exist here.
//!
//! | field | unit |
//! |---|---|
//! | `iops`, `iops_min`, `iops_max`, `iops_mean`, `iops_stddev` | 1/s; all but the first over samples of a tenth of a second |
//! | `bw`, `bw_bytes` | KiB/s, bytes/s |
//! | `io_kbytes`, `io_bytes` | KiB, bytes |
//! | `runtime`, `job_runtime` | ms |
//! | `clat_ns` | ns, from submission to completion |
//! | `elapsed` | s, whole ones |
//! | `usr_cpu`, `sys_cpu` | percent of one processor |
//!
//! Beside fio's fields: `engine`, and in the job `cpu_us_per_io`.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::job::Op;
use super::report::{Report, Sample};
use crate::host::JSON_VERSION;

/// fio's percentiles.
const PERCENTILES: [f64; 17] =
    [1., 5., 10., 20., 30., 40., 50., 60., 70., 80., 90., 95., 99., 99.5, 99.9, 99.95, 99.99];

/// The report as JSON.
pub fn json(report: &Report) -> Value {
    let job = &report.job;
    let percent = |seconds: f64| if report.seconds > 0.0 { seconds / report.seconds * 100.0 } else { 0.0 };
    json!({
        "version": JSON_VERSION,
        "engine": report.engine,
        "jobs": [{
            "jobname": job.pattern.word(),
            "groupid": 0,
            "error": 0,
            "elapsed": report.seconds.ceil() as u64,
            "job options": {
                "filename": report.target,
                "rw": job.pattern.word(),
                "rwmixread": job.read_share.to_string(),
                "bs": job.block_size.to_string(),
                "iodepth": job.io_depth.to_string(),
                "numjobs": job.jobs.to_string(),
                "size": job.area.to_string(),
                "runtime": job.runtime.as_secs_f64().to_string(),
            },
            "read": side(report, Op::Read, report.reads.as_ref()),
            "write": side(report, Op::Write, report.writes.as_ref()),
            "job_runtime": milliseconds(report.seconds),
            "usr_cpu": percent(report.cpu.user),
            "sys_cpu": percent(report.cpu.system),
            "ctx": report.cpu.context_switches,
            "majf": report.cpu.major_faults,
            "minf": report.cpu.minor_faults,
            "cpu_us_per_io": report.cpu.us_per_io(report.ios()),
        }],
    })
}

fn side(report: &Report, op: Op, latencies: Option<&Histogram<u64>>) -> Value {
    let ios = latencies.map_or(0, Histogram::len);
    let bytes = report.bytes(ios);
    let bytes_per_second = report.rate(bytes);
    let rates: Vec<f64> = match latencies {
        Some(_) => report.timeline.iter().map(|sample| rate(sample, op)).collect(),
        None => Vec::new(),
    };
    let (mean, deviation) = spread(&rates);
    json!({
        "io_bytes": bytes,
        "io_kbytes": bytes / 1024,
        "bw_bytes": bytes_per_second.round() as u64,
        "bw": (bytes_per_second / 1024.0).round() as u64,
        "iops": report.rate(ios),
        "runtime": if ios == 0 { 0 } else { milliseconds(report.seconds) },
        "total_ios": ios,
        "short_ios": 0,
        "drop_ios": 0,
        "clat_ns": latency(latencies),
        "iops_min": rates.iter().copied().reduce(f64::min).unwrap_or(0.0).round() as u64,
        "iops_max": rates.iter().copied().reduce(f64::max).unwrap_or(0.0).round() as u64,
        "iops_mean": mean,
        "iops_stddev": deviation,
        "iops_samples": rates.len(),
    })
}

fn rate(sample: &Sample, op: Op) -> f64 {
    match op {
        Op::Read => sample.reads,
        Op::Write => sample.writes,
    }
}

fn latency(latencies: Option<&Histogram<u64>>) -> Value {
    let Some(latencies) = latencies else {
        return json!({ "min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0 });
    };
    let percentile: Map<String, Value> = PERCENTILES
        .into_iter()
        .map(|percent| (format!("{percent:.6}"), latencies.value_at_percentile(percent).into()))
        .collect();
    json!({
        "min": latencies.min(),
        "max": latencies.max(),
        "mean": latencies.mean(),
        "stddev": latencies.stdev(),
        "N": latencies.len(),
        "percentile": percentile,
    })
}

/// Arithmetic mean and standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::super::job::Pattern;
    use super::super::report::tests::made;
    use super::*;

    /// Both programs' numbers read with one reader: names and units as fio 3.39 prints them.
    #[test]
    fn fields_have_fios_names_and_units() {
        let value = json(&made(Pattern::RandRw));
        let read = &value["jobs"][0]["read"];
        assert_eq!(read["iops"], 500.0);
        assert_eq!((&read["bw"], &read["bw_bytes"]), (&2000.into(), &2_048_000.into()));
        assert_eq!((&read["io_bytes"], &read["total_ios"]), (&4_096_000.into(), &1000.into()));
        assert_eq!(read["runtime"], 2000);
        assert_eq!(value["jobs"][0]["elapsed"], 2, "whole seconds");
        assert_eq!(read["clat_ns"]["N"], 1000);
        let p99 = read["clat_ns"]["percentile"]["99.000000"].as_u64().unwrap();
        assert!((99_000..102_000).contains(&p99), "{p99}");
        assert!(value["jobs"][0]["write"]["clat_ns"]["percentile"]["99.950000"].is_u64());
        assert_eq!(
            (&value["jobs"][0]["usr_cpu"], &value["jobs"][0]["sys_cpu"]),
            (&25.0.into(), &50.0.into())
        );
        assert_eq!((&read["iops_min"], &read["iops_samples"]), (&500.into(), &20.into()));
    }

    #[test]
    fn what_was_not_done_is_zero() {
        let value = json(&made(Pattern::RandWrite));
        let read = &value["jobs"][0]["read"];
        assert_eq!(
            (&read["iops"], &read["total_ios"], &read["runtime"]),
            (&0.0.into(), &0.into(), &0.into())
        );
        assert_eq!(read["clat_ns"]["N"], 0);
        assert!(read["clat_ns"]["percentile"].is_null());
    }
}
