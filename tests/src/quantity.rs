//! Kubernetes quantities, read in the simplest way: an oracle, not a product.

/// The quantity in thousandths, rounded up.
#[must_use]
pub fn millis(text: &str) -> i64 {
    scaled(text, 1_000)
}

/// The quantity in ones, rounded up.
#[must_use]
pub fn units(text: &str) -> i64 {
    scaled(text, 1)
}

fn scaled(text: &str, per_one: i128) -> i64 {
    const SUFFIXES: [(&str, i128, i128); 15] = [
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1_000),
        ("k", 1_000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
    ];
    let suffix = SUFFIXES.iter().find(|(suffix, _, _)| text.ends_with(suffix));
    let (number, up, down) = suffix.map_or((text, 1, 1), |(suffix, up, down)| {
        (text.strip_suffix(suffix).unwrap(), *up, *down)
    });
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}")
        .parse()
        .unwrap_or_else(|_| panic!("quantity {text}"));
    let divisor = down * 10_i128.pow(fraction.len() as u32);
    let product = digits * up * per_one;
    i64::try_from(product / divisor + i128::from(product % divisor != 0)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_the_api_server_writes_are_read() {
        assert_eq!(millis("250m"), 250);
        assert_eq!(millis("1"), 1000);
        assert_eq!(millis("1500u"), 2);
        assert_eq!(units("2Gi"), 2 << 30);
        assert_eq!(units("1k"), 1000);
        assert_eq!(units("0.5"), 1);
    }
}
