//! Regions that data may not leave: a wall, for everything that is made of it as well.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    id::is_plain,
    limits::{REGION_BYTES_MAX, REGIONS_MAX},
    refusal::Refusal,
};

/// Regions that data may be in; all of them if none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<String>")]
pub struct Residency(pub BTreeSet<String>);

impl Residency {
    /// Whether the data may be in this region. A node that does not say where it stands is in none
    /// that can be named.
    pub fn allows(&self, region: &str) -> bool {
        self.is_anywhere() || self.0.contains(region)
    }

    /// No region is named.
    pub fn is_anywhere(&self) -> bool {
        self.0.is_empty()
    }

    /// Where both allow it to be; none if nowhere.
    pub fn and(&self, other: &Self) -> Option<Self> {
        if self.is_anywhere() || other.is_anywhere() {
            return Some(Self(&self.0 | &other.0));
        }
        Some(Self(&self.0 & &other.0)).filter(|both| !both.is_anywhere())
    }

    /// Refuses to do something in a region that the data may not be in; `act` as in "open it".
    ///
    /// # Errors
    /// `OutsideRegion`, with the regions that it may be in.
    pub fn check(&self, region: &str, act: &str) -> Result<(), Refusal> {
        if self.allows(region) {
            return Ok(());
        }
        let message = format!(
            "{act}: it may not leave {self}, and this node stands in {region}; ask a node that \
             stands there (`tgs node list`)"
        );
        Err(Refusal::new(Code::OutsideRegion, message))
    }

    /// Refuses regions where nothing can be kept: whatever is pinned there would wait for ever.
    /// `known`: where data can be; where that is not said, in `own` alone.
    ///
    /// # Errors
    /// `OutsideRegion`, with those that are known.
    pub fn check_known(&self, known: Option<BTreeSet<String>>, own: &str) -> Result<(), Refusal> {
        let known = known.unwrap_or_else(|| [own.to_owned()].into());
        match self.0.difference(&known).next() {
            None => Ok(()),
            Some(other) => {
                let there = Self(known.clone());
                let message = format!("cannot keep data in region {other}: there are {there}");
                Err(Refusal::new(Code::OutsideRegion, message))
            }
        }
    }
}

/// What a node stands on, as far as that keeps jobs away from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// In which region.
    pub region: String,
    /// Its machine may be taken away.
    pub is_spot: bool,
}

/// `eu, us`.
impl fmt::Display for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, region) in self.0.iter().enumerate() {
            write!(f, "{}{region}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// From `eu,us`; nothing at all is anywhere.
impl FromStr for Residency {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let named = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        named.map(str::to_owned).collect::<BTreeSet<_>>().try_into()
    }
}

impl TryFrom<BTreeSet<String>> for Residency {
    type Error = Refusal;

    fn try_from(regions: BTreeSet<String>) -> Result<Self, Refusal> {
        regions.iter().try_for_each(|region| check_region(region))?;
        if regions.len() > REGIONS_MAX {
            let many = regions.len();
            let message = format!("cannot name {many} regions: {REGIONS_MAX} at most");
            return Err(Refusal::new(Code::BadRequest, message));
        }
        Ok(Self(regions))
    }
}

/// Refuses what is no name of a region: letters, digits, `.`, `-` and `_`.
///
/// # Errors
/// `BadRequest` with what would be right.
pub fn check_region(region: &str) -> Result<(), Refusal> {
    if is_plain(region, REGION_BYTES_MAX) {
        return Ok(());
    }
    let message = format!(
        "cannot call a region {region:?}: use 1 to {REGION_BYTES_MAX} letters, digits, '.', '-' \
         and '_'"
    );
    Err(Refusal::new(Code::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn residency(text: &str) -> Residency {
        text.parse().expect(text)
    }

    #[test]
    fn what_may_be_anywhere_is_kept_nowhere_in_particular() {
        let anywhere = residency("");
        assert!(anywhere.is_anywhere() && anywhere.allows("eu") && anywhere.allows(""));
        assert_eq!(residency(" "), anywhere);
    }

    #[test]
    fn a_named_region_keeps_all_others_out() {
        let pinned = residency("eu, us");
        assert!(pinned.allows("eu") && pinned.allows("us"));
        for other in ["asia", "", "e", "EU", "eu, us"] {
            assert!(!pinned.allows(other), "{other:?}");
        }
        let refused = pinned.check("asia", "open the model").expect_err("is outside");
        assert_eq!(refused.code, Code::OutsideRegion);
        assert!(refused.message.starts_with("open the model: it may not leave eu, us, and"));
    }

    #[test]
    fn a_region_that_nobody_knows_is_refused_with_those_that_are_known() {
        let known = || Some(["eu".to_owned(), "us".to_owned()].into());
        assert!(residency("eu").check_known(known(), "asia").is_ok());
        assert!(residency("asia").check_known(None, "asia").is_ok());
        assert!(residency("").check_known(known(), "asia").is_ok());
        let refused = residency("eu,moon").check_known(known(), "eu").expect_err("is not known");
        assert!(refused.message.ends_with("in region moon: there are eu, us"), "{refused}");
        assert!(residency("eu").check_known(None, "asia").is_err());
    }

    #[test]
    fn what_is_made_of_two_may_be_where_both_may() {
        for (one, other, both) in [
            ("", "", Some("")),
            ("eu", "", Some("eu")),
            ("eu,us", "us,asia", Some("us")),
            ("eu", "us", None),
        ] {
            let both = both.map(residency);
            assert_eq!(residency(one).and(&residency(other)), both, "{one} {other}");
            assert_eq!(residency(other).and(&residency(one)), both, "{other} {one}");
        }
    }

    #[test]
    fn names_are_plain_and_few() {
        for named in ["a b", "a/b", "eu,,us", ",", "ä", &"x".repeat(REGION_BYTES_MAX + 1)] {
            assert!(named.parse::<Residency>().is_err(), "{named:?}");
        }
        let many: Vec<_> = (0..=REGIONS_MAX).map(|no| no.to_string()).collect();
        assert!(many.join(",").parse::<Residency>().is_err());
        assert!(serde_json::from_value::<Residency>(json!(["a b"])).is_err());
        let pinned = residency("us,eu,us");
        assert_eq!(json!(pinned), json!(["eu", "us"]));
        assert_eq!(serde_json::from_value::<Residency>(json!(pinned)).ok(), Some(pinned));
    }
}
