//! Who is right about a host: the table, or Route 53.

use crate::{
    settings::{Fleet, FleetState},
    table::{ASK_AGAIN_AFTER, Item, Millis},
};

/// Who is right, as far as the settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The table, and nobody else writes addresses into Route 53.
    Table,
    /// The table, but for hosts that no router has written through it: a gateway that still runs without
    /// the table may have written such a host a moment ago.
    TableOnceWritten,
    /// Route 53, but for hosts whose change has not reached it yet.
    Route53OncePublished,
}

impl From<&Fleet> for Authority {
    fn from(fleet: &Fleet) -> Self {
        match (fleet.state, fleet.narrow) {
            (FleetState::On, true) => Self::Table,
            (FleetState::On, false) => Self::TableOnceWritten,
            (FleetState::Prepare | FleetState::Drain, _) => Self::Route53OncePublished,
        }
    }
}

impl Authority {
    /// Whether Route 53 has to be asked what the item of a host should say.
    pub(super) fn asks_route53(self, item: Option<&Item>, now: Millis) -> bool {
        let Some(item) = item else { return true };
        if let Some(left_alone) = &item.left_alone {
            return self == Self::Route53OncePublished || left_alone.seen.saturating_add(ASK_AGAIN_AFTER) <= now;
        }
        match self {
            Self::Table => false,
            Self::TableOnceWritten => !item.is_promised(),
            Self::Route53OncePublished => !item.is_pending(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::LeftAlone;

    #[test]
    fn route_53_is_asked_about_what_the_table_cannot_know() {
        let imported = Item { version: 2, imported: 2, published_version: 2, ..Item::default() };
        let published = Item { imported: 1, ..imported.clone() };
        let pending = Item { published_version: 1, ..published.clone() };
        let left_alone =
            |seen| Item { left_alone: Some(LeftAlone { why: "it is an alias".to_owned(), seen }), ..pending.clone() };
        let now = 10 * ASK_AGAIN_AFTER;
        let (old, new) = (left_alone(now - ASK_AGAIN_AFTER), left_alone(now - ASK_AGAIN_AFTER + 1));
        for (item, table, once_written, once_published) in [
            (None, true, true, true),
            (Some(&imported), false, true, true),
            (Some(&published), false, false, true),
            (Some(&pending), false, false, false),
            (Some(&old), true, true, true),
            (Some(&new), false, false, true),
        ] {
            let asked = [Authority::Table, Authority::TableOnceWritten, Authority::Route53OncePublished]
                .map(|authority| authority.asks_route53(item, now));
            assert_eq!(asked, [table, once_written, once_published], "{item:?}");
        }
    }
}
