//! How often somebody may ask.

use std::num::NonZeroU32;
use std::time::Duration;

use super::RateConfig;
use super::build::network;
use super::problem::Fault;
use super::reader::Reader;
use super::settings as s;
use crate::rate_limit::Rate;

/// More than this is no limit.
const MOST: u32 = 1_000_000;

/// Reads the group.
pub(super) fn rates(reader: &mut Reader<'_>) -> Option<RateConfig> {
    let register = reader.required(&s::RATE_LIMIT_REGISTER, rate);
    let authorize = reader.required(&s::RATE_LIMIT_AUTHORIZE, rate);
    let token = reader.required(&s::RATE_LIMIT_TOKEN, rate);
    let client = reader.required(&s::RATE_LIMIT_CLIENT, rate);
    let unauthenticated = reader.required(&s::RATE_LIMIT_UNAUTHENTICATED, rate);
    let grant = reader.required(&s::RATE_LIMIT_GRANT, rate);
    let shared_egress = reader.list(&s::SHARED_EGRESS, network);
    Some(RateConfig {
        register: register?,
        authorize: authorize?,
        token: token?,
        client: client?,
        unauthenticated: unauthenticated?,
        grant: grant?,
        shared_egress: shared_egress?,
    })
}

fn rate(text: &str) -> Result<Option<Rate>, Fault> {
    if text == "off" {
        return Ok(None);
    }
    let read = text.split_once('/').and_then(|(requests, unit)| {
        let per = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return None,
        };
        let requests = requests.parse::<NonZeroU32>().ok().filter(|requests| requests.get() <= MOST)?;
        Some(Rate { requests, per })
    });
    read.map(Some).ok_or_else(|| {
        let remedy = format!("write a number from 1 to {MOST} and s, m or h, such as 60/m; or off");
        Fault::new(format!("`{text}` is not a rate"), remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_unit_or_off() {
        let read = |text| rate(text).map(|rate| rate.map(|rate| (rate.requests.get(), rate.per.as_secs())));
        assert_eq!(read("10/s"), Ok(Some((10, 1))));
        assert_eq!(read("60/m"), Ok(Some((60, 60))));
        assert_eq!(read("1000/h"), Ok(Some((1000, 3600))));
        assert_eq!(read("off"), Ok(None));
        for bad in ["", "10", "0/s", "-1/s", "10/d", "10 /s", "1.5/s", "10/s/s", "2000000/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
