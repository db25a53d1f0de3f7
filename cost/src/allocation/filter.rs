//! Filters as OpenCost writes them: `namespace:"a","b"+cluster!:"c"`, `|` for or, parentheses.

use std::collections::BTreeSet;

use super::{
    dimension::AllocationDimension,
    share::{IDLE, SYSTEM},
};

/// A condition on a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CostFilter {
    /// All of them.
    And(Vec<CostFilter>),
    /// One of them.
    Or(Vec<CostFilter>),
    /// A dimension compared with values.
    Compare {
        /// The dimension.
        dimension: AllocationDimension,
        /// How.
        comparison: FilterComparison,
        /// With one of these; with none of these where it is negated.
        values: Vec<String>,
        /// True for `!:` and the like.
        negated: bool,
    },
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterComparison {
    /// `:`
    Equals,
    /// `~:`
    Contains,
    /// `<~:`
    Begins,
    /// `~>:`
    Ends,
}

/// Whether a row passes a filter; in the order in which `and` takes the least and `or` the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilterVerdict {
    /// It does not.
    Fails,
    /// The row has no such dimension: idle is of no namespace, and belongs to what passes and to what does not.
    Depends,
    /// It does.
    Passes,
}

/// Value of a dimension of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DimensionValue<'v> {
    /// The row's own; empty where it has none.
    Own(&'v str),
    /// Of the row of idle or system: it has none but the name by which it may be asked for.
    Nobodys(&'v str),
}

impl CostFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = FilterParser {
            rest: text,
            whole: text,
        };
        let filter = reader.or()?;
        reader.space();
        if reader.rest.is_empty() {
            Ok(filter)
        } else {
            Err(reader.fail("the end or + or |"))
        }
    }

    /// Reads a list of values with commas between them, as OpenCost's `filterNamespaces` and the like have it: one of them,
    /// and all that begin so where one ends in `*`. Labels and annotations are `name:value`, controllers may be
    /// `kind:name`. `None` for a list of nothing.
    ///
    /// # Errors
    /// What is wrong, by parameter.
    pub fn parse_list(name: &str, list: &str) -> Result<Option<Self>, String> {
        let values = list.split(',').map(str::trim).filter(|value| !value.is_empty());
        let all = values.map(|value| Self::parse_listed(name, value));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        Ok((!all.is_empty()).then(|| single(all, Self::Or)))
    }

    fn parse_listed(name: &str, value: &str) -> Result<Self, String> {
        let compare = |dimension, value: &str| {
            let (comparison, value) = match value.strip_suffix('*') {
                Some(begin) => (FilterComparison::Begins, begin),
                None => (FilterComparison::Equals, value),
            };
            Self::Compare {
                dimension,
                comparison,
                values: vec![value.to_owned()],
                negated: false,
            }
        };
        match (name, value.split_once(':')) {
            ("label", Some((label, value))) => {
                Ok(compare(AllocationDimension::Label(label.to_owned()), value))
            }
            ("annotation", Some((annotation, value))) => Ok(compare(
                AllocationDimension::Annotation(annotation.to_owned()),
                value,
            )),
            ("label", None) => Err(format!("filterLabels: `{value}` is not of the form name:value")),
            ("annotation", None) => Err(format!(
                "filterAnnotations: `{value}` is not of the form name:value"
            )),
            ("controller", Some((kind, controller))) => Ok(Self::And(vec![
                compare(AllocationDimension::ControllerKind, kind),
                compare(AllocationDimension::Controller, controller),
            ])),
            _ => Ok(compare(AllocationDimension::parse(name)?, value)),
        }
    }

    /// The dimensions it asks for.
    pub fn dimensions(&self, into: &mut BTreeSet<AllocationDimension>) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|one| one.dimensions(into)),
            Self::Compare { dimension, .. } => {
                into.insert(dimension.clone());
            }
        }
    }

    /// Whether the row of somebody passes; `value` tells its dimensions.
    pub fn passes<'v>(&self, value: &impl Fn(&AllocationDimension) -> &'v str) -> bool {
        self.verdict(&|dimension| DimensionValue::Own(value(dimension))) == FilterVerdict::Passes
    }

    /// What is to be said of a row; `value` tells its dimensions.
    pub fn verdict<'v>(&self, value: &impl Fn(&AllocationDimension) -> DimensionValue<'v>) -> FilterVerdict {
        match self {
            Self::And(all) => all
                .iter()
                .map(|one| one.verdict(value))
                .min()
                .unwrap_or(FilterVerdict::Passes),
            Self::Or(all) => all
                .iter()
                .map(|one| one.verdict(value))
                .max()
                .unwrap_or(FilterVerdict::Fails),
            Self::Compare {
                dimension,
                comparison,
                values,
                negated,
            } => {
                let matches = match value(dimension) {
                    DimensionValue::Own(found) => values.iter().any(|wanted| {
                        comparison.matches(found, wanted) || is_qualified(dimension, wanted, value)
                    }),
                    DimensionValue::Nobodys(name) => {
                        let is_meant = |wanted: &String| matches!(wanted.as_str(), IDLE | SYSTEM);
                        let mut named = values.iter().filter(|wanted| wanted.starts_with("__"));
                        let matches = named.any(|wanted| comparison.matches(name, wanted));
                        if !matches && !values.iter().all(is_meant) {
                            return FilterVerdict::Depends;
                        }
                        matches
                    }
                };
                match matches != *negated {
                    true => FilterVerdict::Passes,
                    false => FilterVerdict::Fails,
                }
            }
        }
    }
}

impl FilterComparison {
    fn matches(self, found: &str, wanted: &str) -> bool {
        match self {
            Self::Equals => found == wanted,
            Self::Contains => found.contains(wanted),
            Self::Begins => found.starts_with(wanted),
            Self::Ends => found.ends_with(wanted),
        }
    }
}

/// True for a cluster that is wanted by the name of its datacenter too, as answers name clusters that share a name.
fn is_qualified<'v>(
    dimension: &AllocationDimension,
    wanted: &str,
    value: &impl Fn(&AllocationDimension) -> DimensionValue<'v>,
) -> bool {
    let own = |dimension, wanted| value(dimension) == DimensionValue::Own(wanted);
    *dimension == AllocationDimension::Cluster
        && wanted.split_once(':').is_some_and(|(datacenter, cluster)| {
            own(&AllocationDimension::Datacenter, datacenter) && own(dimension, cluster)
        })
}

struct FilterParser<'t> {
    rest: &'t str,
    whole: &'t str,
}

impl<'t> FilterParser<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn fail(&self, wanted: &str) -> String {
        let at = self.whole.len() - self.rest.len();
        format!(
            "filter: expected {wanted} at character {} of `{}`",
            at + 1,
            self.whole
        )
    }

    fn or(&mut self) -> Result<CostFilter, String> {
        let mut all = vec![self.and()?];
        while self.take("|") {
            all.push(self.and()?);
        }
        Ok(single(all, CostFilter::Or))
    }

    fn and(&mut self) -> Result<CostFilter, String> {
        let mut all = vec![self.one()?];
        // opencost-ui encodes the sign twice.
        while self.take("+") || self.take("%2B") {
            all.push(self.one()?);
        }
        Ok(single(all, CostFilter::And))
    }

    fn one(&mut self) -> Result<CostFilter, String> {
        if self.take("(") {
            let inner = self.or()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.fail(")"))
            };
        }
        let dimension = self.dimension()?;
        let operators = [
            ("!<~:", FilterComparison::Begins, true),
            ("!~>:", FilterComparison::Ends, true),
            ("!~:", FilterComparison::Contains, true),
            ("!:", FilterComparison::Equals, true),
            ("<~:", FilterComparison::Begins, false),
            ("~>:", FilterComparison::Ends, false),
            ("~:", FilterComparison::Contains, false),
            (":", FilterComparison::Equals, false),
        ];
        let found = operators.into_iter().find(|(token, ..)| self.take(token));
        let (_, comparison, negated) = found.ok_or_else(|| self.fail("one of : !: ~: !~: <~: ~>:"))?;
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        Ok(CostFilter::Compare {
            dimension,
            comparison,
            values,
            negated,
        })
    }

    /// A name, or `label[NAME]` and `annotation[NAME]`.
    fn dimension(&mut self) -> Result<AllocationDimension, String> {
        self.space();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let of_pod = match name {
            "label" => Some(AllocationDimension::Label as fn(String) -> AllocationDimension),
            "annotation" => Some(AllocationDimension::Annotation as fn(String) -> AllocationDimension),
            _ => None,
        };
        let Some(of_pod) = of_pod else {
            let dimension = AllocationDimension::parse(name).map_err(|error| format!("filter: {error}"))?;
            self.rest = rest;
            return Ok(dimension);
        };
        let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (key, rest) = inner.ok_or_else(|| self.fail("label[NAME] or annotation[NAME]"))?;
        self.rest = rest;
        Ok(of_pod(key.trim().to_owned()))
    }

    fn value(&mut self) -> Result<String, String> {
        self.space();
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (value, rest) = rest.split_once('"').ok_or_else(|| self.fail("a closing \""))?;
            self.rest = rest;
            return Ok(value.to_owned());
        }
        let end = self
            .rest
            .find([',', '+', '|', ')', ' ', '%'])
            .unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        if value.is_empty() {
            return Err(self.fail("a value"));
        }
        self.rest = rest;
        Ok(value.to_owned())
    }
}

fn single(mut all: Vec<CostFilter>, many: fn(Vec<CostFilter>) -> CostFilter) -> CostFilter {
    match all.len() {
        1 => all.remove(0),
        _ => many(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &str, namespace: &str, cluster: &str) -> bool {
        let filter = CostFilter::parse(filter).unwrap();
        filter.passes(&|dimension| match dimension {
            AllocationDimension::Namespace => namespace,
            AllocationDimension::Cluster => cluster,
            AllocationDimension::Datacenter => "dfw",
            AllocationDimension::Label(label) if label == "app" => "web",
            _ => "",
        })
    }

    #[test]
    fn operators_and_parentheses() {
        assert!(passes(r#"namespace:"a","b""#, "b", "x"));
        assert!(!passes(r#"namespace:"a","b"+cluster:"y""#, "b", "x"));
        assert!(passes(r#"namespace!:"a""#, "b", "x"));
        assert!(passes(r#"namespace<~:"kube-"|cluster:"y""#, "kube-system", "x"));
        assert!(passes(r#"(namespace:"a"|namespace:"b")+cluster:"x""#, "b", "x"));
        assert!(
            passes(r#"namespace:"b"%2Bcluster:"x""#, "b", "x")
                && !passes("namespace:b%2Bcluster:y", "b", "x")
        );
        assert!(passes("namespace~:yst", "kube-system", "x"));
        assert!(passes(r#"label[app]:"web""#, "a", "x"));
        assert!(passes(r#"annotation[owner]!:"me""#, "a", "x"));
        assert!(passes(r#"cluster:"dfw:x""#, "a", "x") && !passes(r#"cluster:"ams:x""#, "a", "x"));
        assert!(passes("namespace~>:prod", "a-prod", "x") && !passes("namespace!~>:prod", "a-prod", "x"));
    }

    #[test]
    fn what_is_wrong_is_reported_with_its_position() {
        let wrong = |text: &str| CostFilter::parse(text).unwrap_err();
        assert!(wrong("namespace=a").contains("character 10"));
        assert!(wrong("namspace:a").contains("`namspace`"));
        assert!(wrong(r#"namespace:"a"#).contains("closing"));
        assert!(wrong("(namespace:a").contains("expected )"));
        assert!(wrong("namespace:a b").contains("the end or +"));
    }
}
