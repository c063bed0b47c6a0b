//! Fleet mode's table in DynamoDB: what was promised of each host, and what Route 53 holds of it.
//!
//! The gateway promises (`store::table`), the publisher carries it to Route 53; this room is what both
//! know: the item of a host, the rules that hold for it, and the calls. `docs/design.md` says why.

mod attribute;
mod client;
mod clock;
mod item;
mod key;
mod record_text;
mod sight;
mod update;

pub use self::{
    attribute::{Attribute, Value},
    client::{Cursor, NotRead, NotWritten, Page, Table},
    clock::{Clock, DAY, Millis, day},
    item::{Item, LeftAlone, Sets},
    key::Key,
    sight::{ASK_AGAIN_AFTER, GONE_AFTER, HOLD_DOWN, asked_again, due, expiry, first_sight, overruled, taken_over},
    update::Update,
};
