//! The part of a certificate that a person wants to see: its subject, its issuer, and how long it is valid. Only what
//! leads there is parsed (RFC 5280 §4.1, DER); whether the certificate is trusted is decided by rustls.

use time::{Date, Month, PrimitiveDateTime, Time};

/// The readable part of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The name in its subject; empty if it has none.
    pub subject: String,
    /// The name of its issuer.
    pub issuer: String,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
}

impl Certificate {
    /// Parses a certificate; `None` if it is malformed.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Elements(Elements(der).within(SEQUENCE)?);
        let mut signed = Elements(certificate.within(SEQUENCE)?);
        // [0] version, absent in version 1.
        let mut serial = signed.next()?;
        if serial.0 == VERSION {
            serial = signed.next()?;
        }
        (serial.0 == INTEGER).then_some(())?;
        signed.within(SEQUENCE)?;
        let issuer = name(signed.within(SEQUENCE)?);
        let mut validity = Elements(signed.within(SEQUENCE)?);
        let not_before = seconds(validity.next()?)?;
        let not_after = seconds(validity.next()?)?;
        let subject = name(signed.within(SEQUENCE)?);
        Some(Self { subject, issuer, not_before, not_after })
    }

    /// Whole days left at a time, in seconds since 1970; negative once it has expired.
    pub(super) fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(DAY)
    }

    /// Whether it should have been renewed by now: two weeks before its end, or in the last third of a short life.
    pub(super) fn is_overdue(&self, now: i64) -> bool {
        self.not_after - now < (14 * DAY).min((self.not_after - self.not_before) / 3)
    }
}

/// Seconds of a day.
const DAY: i64 = 86400;

/// Tag of an INTEGER (X.690).
const INTEGER: u8 = 0x02;
/// Tag of a `UTCTime`.
const UTC_TIME: u8 = 0x17;
/// Tag of a `GeneralizedTime`.
const GENERALIZED_TIME: u8 = 0x18;
/// Tag of a SEQUENCE.
const SEQUENCE: u8 = 0x30;
/// Tag of the explicit `[0]` before the version.
const VERSION: u8 = 0xa0;

/// `id-at-commonName` (X.520).
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// `id-at-organizationName` (X.520).
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// The elements within one, in order.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The content of the next element, which must be of this tag.
    fn within(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    /// The tag and the content of the next element.
    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let octets = rest.get(..usize::from(first & 0x7f)).filter(|octets| octets.len() <= 4)?;
            length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
            rest = &rest[octets.len()..];
        }
        let content = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((tag, content))
    }
}

/// The common name, else the organization, of a distinguished name.
fn name(content: &[u8]) -> String {
    let attributes = || {
        Elements(content).flat_map(|(_, set)| Elements(set)).filter_map(|(_, attribute)| {
            let mut attribute = Elements(attribute);
            Some((attribute.next()?.1, attribute.next()?.1))
        })
    };
    let of = |kind: [u8; 3]| attributes().find(|(found, _)| *found == kind);
    let value =
        of(COMMON_NAME).or_else(|| of(ORGANIZATION)).map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    value.unwrap_or_default()
}

/// A `UTCTime` or `GeneralizedTime` in the forms that RFC 5280 §4.1.2.5 allows.
fn seconds((tag, content): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(number(0)?).ok()?, number(2)?).ok()?;
    let time = Time::from_hms(number(4)?, number(6)?, number(8)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_issuer_and_validity_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (kind, subject) in
            [(rcgen::DnType::CommonName, "dyn.example.org"), (rcgen::DnType::OrganizationName, "Ünion")]
        {
            let mut wanted = rcgen::CertificateParams::new(["dyn.example.org".to_owned()]).unwrap();
            wanted.distinguished_name = rcgen::DistinguishedName::new();
            wanted.distinguished_name.push(rcgen::DnType::CountryName, "AT");
            wanted.distinguished_name.push(kind, subject);
            wanted.not_before = rcgen::date_time_ymd(1999, 12, 31);
            wanted.not_after = rcgen::date_time_ymd(2051, 1, 1);
            let der = wanted.self_signed(&key).unwrap().der().to_vec();
            let read = Certificate::read(&der).unwrap();
            let expected = Certificate {
                subject: subject.to_owned(),
                issuer: subject.to_owned(),
                not_before: 946_598_400,
                not_after: 2_556_144_000,
            };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn both_forms_of_time_are_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (UTC_TIME, "700101000000", None),
            (INTEGER, "700101000000Z", None),
        ] {
            assert_eq!(seconds((tag, text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_certificate_is_not_parsed() {
        for der in [&b""[..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x02, 0x30, 0x00], &[0xff; 64]] {
            assert_eq!(Certificate::read(der), None, "{der:?}");
        }
    }

    #[test]
    fn a_long_certificate_is_overdue_two_weeks_before_its_end_and_a_short_one_in_its_last_third() {
        for (life, left, overdue) in [(90, 15, false), (90, 13, true), (6, 3, false), (6, 1, true), (90, -1, true)] {
            let certificate =
                Certificate { subject: String::new(), issuer: String::new(), not_before: 0, not_after: life * DAY };
            let now = (life - left) * DAY;
            assert_eq!((certificate.is_overdue(now), certificate.days_left(now)), (overdue, left), "{life} {left}");
        }
    }
}
