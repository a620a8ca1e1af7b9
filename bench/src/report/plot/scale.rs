//! Where a value stands on an axis, and which values are written at it.

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From 0, evenly.
    Linear { max: f64 },
    /// The same step for every factor.
    Log { min: f64, max: f64 },
    /// Quantiles: the same step for every nine.
    Percentile { nines: f64 },
}

/// Steps within a decade.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// Labels that a linear axis has, about.
const LABELS: f64 = 5.0;

/// From so many decades on, an axis has labels for whole ones only.
const MANY_DECADES: f64 = 3.2;

/// Nines beyond which numbers have no digits.
const NINES_MAX: f64 = 12.0;

/// What a logarithmic axis can begin and end with: beyond it, round numbers are none.
const LEAST: f64 = 1e-300;
const MOST: f64 = 1e300;

/// Labels that a linear axis has at most, whatever is asked of it.
const LABELS_MAX: u32 = 20;

impl Scale {
    /// From 0 to at least the greatest of `values`, ending at a round number.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Scale {
        let max = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let max = if max > 0.0 { max } else { 1.0 };
        let step = step(max);
        Scale::Linear { max: (max / step).ceil() * step }
    }

    /// From 0 to just the greatest of `values`.
    pub(crate) fn span(values: impl IntoIterator<Item = f64>) -> Scale {
        let max = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        Scale::Linear { max: if max > 0.0 { max } else { 1.0 } }
    }

    /// Over all of `values` that are positive numbers, from one round number to another.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Scale {
        let sound = values.into_iter().filter(|value| (LEAST..MOST).contains(value));
        let (min, max) = sound.fold((f64::MAX, 0.0), |(min, max), v| (v.min(min), v.max(max)));
        if max == 0.0 {
            return Scale::Log { min: 1.0, max: 10.0 };
        }
        let (low, high) = (round(min, false), round(max, true));
        if low < high { Scale::Log { min: low, max: high } } else { Scale::Log { min: low, max: 2.0 * low } }
    }

    /// Of so many values' quantiles.
    pub(crate) fn percentile(count: f64) -> Scale {
        Scale::Percentile { nines: count.log10().clamp(1.0, NINES_MAX) }
    }

    /// From 0, where the axis begins, to 1, where it ends.
    pub(crate) fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear { max } => value / max,
            Scale::Log { min, max } => (value.max(min) / min).log10() / (max / min).log10(),
            Scale::Percentile { nines } => -(1.0 - value).max(f64::MIN_POSITIVE).log10() / nines,
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that are written.
    pub(crate) fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Linear { max } => {
                let step = step(max);
                let count = (max / step * (1.0 + 1e-9)).floor() as u32;
                (0..=count.min(LABELS_MAX)).map(|i| f64::from(i) * step).collect()
            }
            Scale::Log { min, max } => {
                let steps = if (max / min).log10() > MANY_DECADES { &STEPS[..1] } else { &STEPS[..] };
                let decades = min.log10().floor() as i32..=max.log10().ceil() as i32;
                let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
                let (low, high) = (min * (1.0 - 1e-9), max * (1.0 + 1e-9));
                all.filter(|tick| (low..=high).contains(tick)).collect()
            }
            Scale::Percentile { nines } => {
                let whole = (1..=nines.floor() as i32).map(|nine| 1.0 - 10_f64.powi(-nine));
                [0.0, 0.5].into_iter().chain(whole).collect()
            }
        }
    }
}

/// The distance of the labels of a linear axis that ends at `max`.
fn step(max: f64) -> f64 {
    let rough = max / LABELS;
    let decade = 10_f64.powf(rough.log10().floor());
    let step = STEPS.into_iter().find(|step| step * decade >= rough * (1.0 - 1e-9));
    step.unwrap_or(10.0) * decade
}

/// The next round number above or below.
fn round(value: f64, up: bool) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    let (slightly_less, slightly_more) = (value * (1.0 - 1e-9), value * (1.0 + 1e-9));
    let found = match up {
        true => steps.into_iter().find(|step| *step >= slightly_less),
        false => steps.into_iter().rev().find(|step| *step <= slightly_more),
    };
    found.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(a: &[f64], b: &[f64]) {
        let close = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs());
        assert!(close, "{a:?} is not {b:?}");
    }

    #[test]
    fn linear_axes_begin_at_0_and_end_at_a_round_number() {
        let scale = Scale::linear([3.0, 87.0]);
        near(&scale.ticks(), &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(scale.place(50.0), 0.5);
        near(&Scale::linear([0.3]).ticks(), &[0.0, 0.1, 0.2, 0.3]);
        near(&Scale::span([4.3]).ticks(), &[0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Scale::linear([]), Scale::Linear { max: 1.0 });
    }

    #[test]
    fn logarithmic_axes_hold_all_values() {
        let scale = Scale::log([23.0, 900.0, 0.0]);
        near(&scale.ticks(), &[20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
        assert_eq!([scale.place(20.0), scale.place(1000.0), scale.place(0.0)], [0.0, 1.0, 0.0]);
        near(&Scale::log([1.0, 1e6]).ticks(), &[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
        near(&Scale::log([7.0]).ticks(), &[5.0, 10.0]);
        near(&Scale::log([100.0]).ticks(), &[100.0, 200.0]);
        near(&Scale::log([]).ticks(), &[1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn nothing_is_too_much() {
        let extremes = [f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NAN, -1.0, 0.0];
        for a in extremes {
            let scales = [Scale::linear([a]), Scale::span([a]), Scale::percentile(a)];
            let logs = extremes.map(|b| Scale::log([a, b]));
            for scale in scales.into_iter().chain(logs) {
                assert!(scale.ticks().len() < 1000, "{scale:?}");
                let places = extremes.map(|b| scale.place(b));
                assert!(
                    places.iter().all(|place| place.is_nan() || (0.0..=1.0).contains(place)),
                    "{scale:?}"
                );
            }
        }
    }

    #[test]
    fn every_nine_has_the_same_room() {
        let scale = Scale::percentile(10_000.0);
        near(&scale.ticks(), &[0.0, 0.5, 0.9, 0.99, 0.999, 0.9999]);
        near(&[0.0, 0.9, 0.99, 0.9999].map(|q| scale.place(q)), &[0.0, 0.25, 0.5, 1.0]);
        assert_eq!(scale.place(1.0), 1.0);
    }
}
