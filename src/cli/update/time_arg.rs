//! A time as a flag gives it.

use std::{str::FromStr, time::Duration};

/// A time such as `90s`, `5m`, `12h` or `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeArg(pub Duration);

impl FromStr for TimeArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected a number of seconds to days, such as 90s, 5m, 12h or 1d";
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(expected)?;
        let unit: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86400,
            _ => return Err(expected),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = number.parse::<u64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
        // A thousand years, beyond which clocks overflow.
        let seconds = seconds.filter(|seconds| (1..=365_000 * 86400).contains(seconds));
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or(expected)
    }
}

impl TimeArg {
    /// The time and up to a tenth more, so that not every client asks at once.
    pub(super) fn jittered(self) -> Duration {
        let share = getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX));
        self.0 + self.0.mul_f64(share / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("12h", Some(43200)),
            ("1d", Some(86400)),
            ("0s", None),
            ("5", None),
            ("m", None),
            ("", None),
            ("-1m", None),
            ("+1m", None),
            ("1.5h", None),
            ("5 m", None),
            ("5é", None),
            ("99999999999999999999d", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(text.parse::<TimeArg>().ok().map(|span| span.0.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn jitter_adds_up_to_a_tenth() {
        for _ in 0..1000 {
            let jittered = TimeArg(Duration::from_mins(5)).jittered();
            assert!((300.0..=330.0).contains(&jittered.as_secs_f64()), "{jittered:?}");
        }
    }
}
