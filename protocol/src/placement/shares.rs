//! What tenants are entitled to, as operators write it: `research:3, billing:1:8`.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::Share;
use crate::{
    code::Code,
    id::{TenantId, is_plain},
    job::row::TENANT_OF_ALL,
    limits::TENANT_BYTES_MAX,
    refusal::Refusal,
};

/// Reads shares: `name:weight` or `name:weight:quota`, commas between; none of an empty text.
///
/// # Errors
/// `BadRequest` with the part that is none, and what would be right.
pub fn parse(text: &str) -> Result<BTreeMap<TenantId, Share>, Refusal> {
    let mut shares = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (tenant, share) = share(part).ok_or_else(|| {
            let message = format!(
                "`{part}` is no share: write a tenant's name, a weight from 1 and, if it may not \
                 have more, a number of devices, as in research:3, billing:1:8"
            );
            Refusal::new(Code::BadRequest, message)
        })?;
        check_name(&tenant)?;
        if shares.insert(tenant.clone(), share).is_some() {
            let message = format!("tenant {tenant} is named twice; name it once");
            return Err(Refusal::new(Code::BadRequest, message));
        }
    }
    Ok(shares)
}

fn share(part: &str) -> Option<(TenantId, Share)> {
    let mut words = part.split(':').map(str::trim);
    let (name, weight) = (words.next()?, words.next()?);
    let quota = words.next().map(|quota| quota.parse().ok());
    let quota = match quota {
        Some(None) => return None,
        Some(Some(quota)) => Some(quota),
        None => None,
    };
    let weight = weight.parse::<NonZeroU32>().ok().filter(|_| words.next().is_none())?;
    Some((TenantId::new(name), Share { weight, quota, used: 0 }))
}

/// Refuses a job that could never begin: it needs more devices at once than its tenant may have.
///
/// # Errors
/// `BadRequest` with how many it may have.
pub fn check_devices(
    shares: &BTreeMap<TenantId, Share>,
    tenant: Option<&TenantId>,
    devices: u32,
) -> Result<(), Refusal> {
    let name = tenant.map_or(TENANT_OF_ALL, TenantId::as_str);
    let share = shares.iter().find(|(it, _)| it.as_str() == name);
    let Some(most) = share.and_then(|(_, share)| share.quota).filter(|most| devices > *most) else {
        return Ok(());
    };
    let message = format!(
        "cannot train on {devices} devices: tenant {name} has at most {most}; ask for fewer"
    );
    Err(Refusal::new(Code::BadRequest, message))
}

/// Refuses a name that is not plain.
///
/// # Errors
/// `BadRequest` with what would be right.
pub fn check_name(tenant: &TenantId) -> Result<(), Refusal> {
    let name = tenant.as_str();
    if is_plain(name, TENANT_BYTES_MAX) {
        return Ok(());
    }
    let message = format!(
        "cannot call a tenant {name:?}: use 1 to {TENANT_BYTES_MAX} letters, digits, '.', '-' and \
         '_'"
    );
    Err(Refusal::new(Code::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_names_weights_and_quotas() {
        let shares = parse("research:3, billing:1:8").expect("shares");
        let of = |weight, quota| {
            let weight = NonZeroU32::new(weight).expect("not zero");
            Some(Share { weight, used: 0, quota })
        };
        let found = |name| shares.get(&TenantId::new(name)).copied();
        assert_eq!((found("research"), found("billing")), (of(3, None), of(1, Some(8))));
        assert_eq!(shares.len(), 2);
        assert!(parse(" ").expect("none").is_empty());
    }

    #[test]
    fn more_devices_than_a_tenant_may_have_are_refused() {
        let shares = parse("research:3, billing:1:8, default:1:2").expect("shares");
        let check = |tenant: &str, devices| {
            let tenant = (!tenant.is_empty()).then(|| TenantId::new(tenant));
            check_devices(&shares, tenant.as_ref(), devices)
        };
        for (tenant, devices) in [("research", 99), ("billing", 8), ("other", 99), ("", 2)] {
            assert_eq!(check(tenant, devices), Ok(()), "{tenant}");
        }
        let refused = check("billing", 9).expect_err("too many");
        assert!(refused.message.contains("billing has at most 8"), "{}", refused.message);
        assert!(check("", 3).is_err());
    }

    #[test]
    fn what_is_no_share_is_refused_by_name() {
        for wrong in
            ["a", "a:0", "a:-1", "a:b", "a:1:b", "a:1:2:3", "a:1,", ",", ":1", "a b:1", "a:1,a:2"]
        {
            let refusal = parse(wrong).expect_err(wrong);
            assert_eq!(refusal.code, Code::BadRequest);
        }
        assert!(parse("a:1,b:x").expect_err("no share").message.contains("`b:x`"));
        let long = "x".repeat(TENANT_BYTES_MAX + 1);
        assert!(parse(&format!("{long}:1")).is_err());
    }
}
