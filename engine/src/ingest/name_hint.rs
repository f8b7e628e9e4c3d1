//! What the name of a column says: does it name rows, is it near to another name.

/// Words that say "this names the row" wherever they stand in a name.
const ID_WORDS: [&str; 6] = ["id", "ids", "uuid", "guid", "pk", "identifier"];
/// Words that say so at the end of a name: `order_no`, but not `no_of_rooms`.
const LAST_WORDS: [&str; 6] = ["key", "no", "nr", "number", "num", "ssn"];
/// Ends of names written in one word.
const ID_ENDS: [&str; 5] = ["id", "num", "uuid", "guid", "key"];
/// Words that merely end like an id.
const NO_IDS: [&str; 18] = [
    "paid", "unpaid", "prepaid", "valid", "invalid", "bid", "grid", "acid", "humid", "fluid",
    "covid", "solid", "liquid", "rapid", "android", "thyroid", "steroid", "turkey",
];
/// Words of the calendar, whose numbers run on without naming rows.
const CALENDAR: [&str; 8] = ["year", "month", "day", "week", "date", "hour", "quarter", "time"];

/// Words that say "a postal code".
const PLACES: [&str; 8] =
    ["zip", "zipcode", "zipcodes", "postal", "postcode", "postalcode", "plz", "postleitzahl"];

/// True if the name promises postal codes.
pub fn names_places(name: &str) -> bool {
    words(name).iter().any(|word| PLACES.contains(&word.as_str()))
}

/// True if the name says that values name rows: `id`, `customer_id`, `OrderNo`, `pidnum`.
pub fn names_rows(name: &str) -> bool {
    let words = words(name);
    if words.iter().any(|word| ID_WORDS.contains(&word.as_str())) {
        return true;
    }
    words.last().is_some_and(|last| {
        LAST_WORDS.contains(&last.as_str())
            || ID_ENDS.iter().any(|end| last.ends_with(end)) && !NO_IDS.contains(&last.as_str())
    })
}

/// True if the name is of the calendar.
pub fn is_calendar(name: &str) -> bool {
    words(name).iter().any(|word| CALENDAR.iter().any(|of| word.contains(of)))
}

/// The words of a name, in lower case: parts between marks, blanks and changes of case.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            words.push(String::new());
        } else {
            if letter.is_uppercase() && was_lower {
                words.push(String::new());
            }
            if let Some(last) = words.last_mut() {
                last.extend(letter.to_lowercase());
            }
        }
        was_lower = letter.is_lowercase() || letter.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The name nearest to `wanted` by edits of single letters, upper and lower case alike.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    names.min_by_key(|name| distance(&wanted, &name.to_lowercase()))
}

/// Edits that turn one text into the other (Levenshtein, 1966).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rows_are_known() {
        for name in
            ["id", "customer_id", "CustomerId", "OrderNo", "pidnum", "No", "customerID", "userid"]
        {
            assert!(names_rows(name), "{name}");
        }
        for name in [
            "paid",
            "age",
            "amount_paid",
            "income",
            "grid",
            "nose",
            "fnlwgt",
            "identity",
            "Iws",
            "no_of_rooms",
        ] {
            assert!(!names_rows(name), "{name}");
        }
        assert!(names_places("ZipCode") && names_places("home_zip") && !names_places("zipper"));
        assert!(is_calendar("yr_year") && is_calendar("Year") && !is_calendar("income"));
    }

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["age", "income", "Marital_Status"];
        assert_eq!(nearest("marital-status", names.into_iter()), Some("Marital_Status"));
        assert_eq!(nearest("ages", names.into_iter()), Some("age"));
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
