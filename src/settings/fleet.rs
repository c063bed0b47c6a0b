//! The settings of fleet mode, which the Lambda functions alone have. The template sets them.

use super::{Reader, Variable};
use crate::problem::Problem;

/// Every setting of fleet mode.
pub const FLEET_VARIABLES: [Variable; 6] = [
    Variable::open("NIC53_FLEET", "STATE", "off, prepare, on or drain [default: off]"),
    Variable::open("NIC53_TABLE", "NAME", "The DynamoDB table of what was promised"),
    Variable::open(
        "NIC53_FLEET_NARROW",
        "true|false",
        "Whether the gateway has lost the right to change addresses in Route 53 [default: false]",
    ),
    Variable::open("NIC53_FLEET_PACE", "CALLS", "The most calls to Route 53 a second [default: 4]"),
    Variable::open("NIC53_PASS_HOURS", "HOURS", "How often a zone is compared with the table [default: 6]"),
    Variable::open(
        "NIC53_STALE_DAYS",
        "DAYS",
        "After how many days without a request a host's addresses are removed [default: 0, never]",
    ),
];

/// The settings of fleet mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// `NIC53_FLEET`.
    pub state: FleetState,
    /// `NIC53_TABLE`.
    pub table: String,
    /// `NIC53_FLEET_NARROW`.
    pub narrow: bool,
    /// `NIC53_FLEET_PACE`, calls a second.
    pub pace: u32,
    /// `NIC53_PASS_HOURS`, hours.
    pub pass_hours: u32,
    /// `NIC53_STALE_DAYS`; `None` for never.
    pub stale_days: Option<u32>,
}

/// The fewest days after which a host may be stale: the record of a router that was away for a month
/// must not be removed.
const FEWEST_STALE_DAYS: u32 = 35;

/// Where a deployment is on its way to fleet mode and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetState {
    /// The gateway uses Route 53, and the publisher copies what is there into the table.
    Prepare,
    /// The gateway uses the table, and the publisher carries it to Route 53.
    On,
    /// The gateway uses Route 53 again, except for hosts that the publisher has not finished.
    Drain,
}

impl Fleet {
    /// Reads the settings of fleet mode; `None` if it is off.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense: the first such setting.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Problem> {
        let reader = Reader { variable: &variable };
        let Some(state) = reader.optional("NIC53_FLEET", state)?.flatten() else { return Ok(None) };
        let table = reader.required("NIC53_TABLE", table, "the name of the table, since NIC53_FLEET is not off")?;
        let stale_days = reader.optional("NIC53_STALE_DAYS", stale_days)?.flatten();
        Ok(Some(Self {
            state,
            table,
            narrow: reader.switch("NIC53_FLEET_NARROW", false)?,
            pace: reader.optional("NIC53_FLEET_PACE", |text| number(text, 1, 1000))?.unwrap_or(4),
            pass_hours: reader.optional("NIC53_PASS_HOURS", |text| number(text, 1, 168))?.unwrap_or(6),
            stale_days,
        }))
    }
}

/// Reads a state; `None` for `off`.
fn state(text: &str) -> Result<Option<FleetState>, String> {
    match text {
        "off" => Ok(None),
        "prepare" => Ok(Some(FleetState::Prepare)),
        "on" => Ok(Some(FleetState::On)),
        "drain" => Ok(Some(FleetState::Drain)),
        _ => Err("expected off, prepare, on or drain".to_owned()),
    }
}

/// Reads a number between two bounds.
fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a number, {least} to {most}"))
}

/// Reads after how many days a host is stale; `None` for never.
fn stale_days(text: &str) -> Result<Option<u32>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(days) if days >= FEWEST_STALE_DAYS => Ok(Some(days)),
        _ => Err(format!("expected 0 for never, or at least {FEWEST_STALE_DAYS} days")),
    }
}

/// Reads a table's name (API reference of `CreateTable`), or its ARN.
fn table(text: &str) -> Result<String, String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_.-:/".contains(letter);
    let is_name = (3..=1024).contains(&text.len()) && text.chars().all(is_part);
    if is_name { Ok(text.to_owned()) } else { Err("expected the name of a DynamoDB table".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of fleet mode from these variables.
    fn read(given: &[(&str, &str)]) -> Result<Option<Fleet>, String> {
        let value = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        Fleet::read(value).map_err(|problem| problem.to_string())
    }

    #[test]
    fn fleet_mode_is_off_unless_a_state_is_set() {
        for given in [&[][..], &[("NIC53_FLEET", "off")], &[("NIC53_FLEET", ""), ("NIC53_TABLE", "nic53")]] {
            assert_eq!(read(given), Ok(None), "{given:?}");
        }
        for (word, state) in [("prepare", FleetState::Prepare), ("on", FleetState::On), ("drain", FleetState::Drain)] {
            let table = "nic53".to_owned();
            let expected = Fleet { state, table, narrow: false, pace: 4, pass_hours: 6, stale_days: None };
            assert_eq!(read(&[("NIC53_FLEET", word), ("NIC53_TABLE", "nic53")]), Ok(Some(expected)), "{word}");
        }
        let narrow = read(&[("NIC53_FLEET", "on"), ("NIC53_TABLE", "nic53"), ("NIC53_FLEET_NARROW", "true")]);
        assert!(narrow.unwrap().unwrap().narrow);
    }

    #[test]
    fn a_setting_of_fleet_mode_that_makes_no_sense_is_named() {
        for (given, named) in [
            (&[("NIC53_FLEET", "yes")][..], "NIC53_FLEET=yes: expected off"),
            (&[("NIC53_FLEET", "on")], "NIC53_TABLE is not set: expected the name"),
            (&[("NIC53_FLEET", "on"), ("NIC53_TABLE", "a b")], "NIC53_TABLE=a b: expected the name"),
            (
                &[("NIC53_FLEET", "on"), ("NIC53_TABLE", "nic53"), ("NIC53_FLEET_NARROW", "x")],
                "NIC53_FLEET_NARROW=x: expected true",
            ),
            (
                &[("NIC53_FLEET", "on"), ("NIC53_TABLE", "nic53"), ("NIC53_FLEET_PACE", "0")],
                "NIC53_FLEET_PACE=0: expected a number, 1 to 1000",
            ),
            (
                &[("NIC53_FLEET", "on"), ("NIC53_TABLE", "nic53"), ("NIC53_PASS_HOURS", "0")],
                "NIC53_PASS_HOURS=0: expected a number, 1 to 168",
            ),
            (
                &[("NIC53_FLEET", "on"), ("NIC53_TABLE", "nic53"), ("NIC53_STALE_DAYS", "34")],
                "NIC53_STALE_DAYS=34: expected 0 for never, or at least 35",
            ),
        ] {
            let problem = read(given).unwrap_err();
            assert!(problem.starts_with(named), "{problem}");
        }
    }
}
