//! The settings of fleet mode, which the Lambda functions alone have. The template sets them.

use super::{Reader, Variable};
use crate::problem::Problem;

/// Every setting of fleet mode.
pub const FLEET_VARIABLES: [Variable; 3] = [
    Variable::open("NIC53_FLEET", "STATE", "off, prepare, on or drain [default: off]"),
    Variable::open("NIC53_TABLE", "NAME", "The DynamoDB table of what was promised"),
    Variable::open(
        "NIC53_FLEET_NARROW",
        "true|false",
        "Whether the gateway has lost the right to change addresses in Route 53 [default: false]",
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
}

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
        Ok(Some(Self { state, table, narrow: reader.switch("NIC53_FLEET_NARROW", false)? }))
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
            let expected = Fleet { state, table: "nic53".to_owned(), narrow: false };
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
        ] {
            let problem = read(given).unwrap_err();
            assert!(problem.starts_with(named), "{problem}");
        }
    }
}
