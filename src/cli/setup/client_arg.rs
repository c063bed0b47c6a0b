//! The client as it is typed: any of its names, in any case and with any punctuation.

use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::recipes::{RECIPES, Recipe, find};

/// Reads the name of a client. A name that no client has is refused with the name that is like it.
#[derive(Clone, Copy)]
pub(super) struct ClientParser;

impl TypedValueParser for ClientParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        match value.to_str().and_then(find) {
            Some(client) => Ok(client.to_owned()),
            None => PossibleValuesParser::new(RECIPES.map(|(client, _)| client)).parse_ref(command, arg, value),
        }
    }

    /// The names, with what they stand for, which some shells show.
    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(RECIPES.iter().map(|(client, text)| {
            let title = Recipe::parse(client, text).map_or(*client, |recipe| recipe.title);
            PossibleValue::new(*client).help(title)
        })))
    }
}
