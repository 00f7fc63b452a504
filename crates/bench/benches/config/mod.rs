//! How long each benchmark measures, and the unit in which its speed is told.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

/// Criterion with speeds in `unit`, of which an element of [`Throughput::Elements`] is `element`.
///
/// All benchmarks together take two minutes on two idle cores.
pub fn criterion(unit: &'static str, element: f64) -> Criterion<Speed> {
    Criterion::default()
        .with_measurement(Speed { clock: WallTime, unit, element })
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(10)
        .nresamples(10_000)
        .without_plots()
}

/// A group whose samples are all of the same length: no more than ten of the longest iterations are
/// measured.
pub fn group<'a>(c: &'a mut Criterion<Speed>, name: &str) -> BenchmarkGroup<'a, Speed> {
    let mut group = c.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// Wall-clock time, told as a speed.
pub struct Speed {
    clock: WallTime,
    unit: &'static str,
    element: f64,
}

impl Measurement for Speed {
    type Intermediate = <WallTime as Measurement>::Intermediate;
    type Value = <WallTime as Measurement>::Value;

    fn start(&self) -> Self::Intermediate {
        self.clock.start()
    }

    fn end(&self, start: Self::Intermediate) -> Self::Value {
        self.clock.end(start)
    }

    fn add(&self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        self.clock.add(a, b)
    }

    fn zero(&self) -> Self::Value {
        self.clock.zero()
    }

    fn to_f64(&self, value: &Self::Value) -> f64 {
        self.clock.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Speed {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        self.clock.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        typical: f64,
        throughput: &Throughput,
        nanoseconds: &mut [f64],
    ) -> &'static str {
        let Throughput::Elements(elements) = throughput else {
            return self.clock.formatter().scale_throughputs(typical, throughput, nanoseconds);
        };
        for value in nanoseconds {
            *value = self.element * *elements as f64 / (*value * 1e-9);
        }
        self.unit
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        self.clock.formatter().scale_for_machines(values)
    }
}
