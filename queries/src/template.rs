//! Texts with placeholders, such as the summary of an alert.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, context, value::Object};

/// Names that one template is searched for at most.
const MOST_UNKNOWN: usize = 20;

/// Annotations of an alert: templates by name. Compiled once; cheap to render.
#[derive(Clone)]
pub struct AnnotationTemplates {
    sources: BTreeMap<String, String>,
    environment: Environment<'static>,
}

/// What a template may speak of.
#[derive(Debug, Clone, Copy)]
pub struct TemplateSubject<'s> {
    /// Name of the alert.
    pub alertname: &'s str,
    /// All labels of the instance.
    pub labels: &'s BTreeMap<String, String>,
    /// Its number.
    pub value: Option<f64>,
    /// Columns that are shown.
    pub annotations: &'s BTreeMap<String, String>,
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template `{name}`: {why}")]
pub struct TemplateError {
    /// Name of the annotation.
    pub name: String,
    /// Line within the template, from 1.
    pub line: u32,
    /// What is wrong.
    pub why: String,
}

impl AnnotationTemplates {
    /// Compiles templates.
    ///
    /// # Errors
    /// One for each that is no template.
    pub fn compile(sources: BTreeMap<String, String>) -> Result<Self, Vec<TemplateError>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("duration", |value| number(value).map(duration));
        environment.add_filter("bytes", |value| number(value).map(bytes));
        environment.add_filter("percent", |value| number(value).map(percent));
        environment.add_filter("count", |value, noun: Option<String>| {
            number(value).map(|number| counted(number, noun.as_deref()))
        });
        let mut errors = Vec::new();
        for (name, source) in &sources {
            if let Err(error) = environment.add_template_owned(name.clone(), source.clone()) {
                errors.push(explain(name, &error));
            }
        }
        if errors.is_empty() {
            Ok(Self { sources, environment })
        } else {
            Err(errors)
        }
    }

    /// The templates' texts by name.
    #[must_use]
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// Name of the runbook: the annotation `runbook`, which is no template. `None` for a rule whose runbook is elsewhere, as
    /// its annotation `runbook_url` says.
    #[must_use]
    pub fn runbook(&self) -> Option<&str> {
        self.sources.get("runbook").map(String::as_str)
    }

    /// One annotation, filled in.
    ///
    /// # Errors
    /// It speaks of something that is not there.
    pub fn render(&self, name: &str, subject: &TemplateSubject<'_>) -> Result<String, TemplateError> {
        let rendered = self.environment.get_template(name).and_then(|template| {
            template.render(context! {
                alertname => subject.alertname,
                labels => subject.labels,
                value => subject.value,
                annotations => subject.annotations,
            })
        });
        rendered.map_err(|error| explain(name, &error))
    }

    /// Names that a template speaks of and the subject has not, such as `labels.pod` or `node`; the rest of it is good.
    ///
    /// # Errors
    /// Something else is wrong with it.
    pub fn unknown_names(
        &self,
        name: &str,
        subject: &TemplateSubject<'_>,
    ) -> Result<BTreeSet<String>, TemplateError> {
        let mut unknown = BTreeSet::new();
        while unknown.len() < MOST_UNKNOWN {
            let search = Arc::new(NameSearch {
                given: unknown.clone(),
                missed: Mutex::default(),
            });
            let root = SubjectObject {
                alertname: subject.alertname.to_owned(),
                value: subject.value,
                labels: NamedTexts::value("labels", subject.labels, &search),
                annotations: NamedTexts::value("annotations", subject.annotations, &search),
                search: Arc::clone(&search),
            };
            let rendered = self
                .environment
                .get_template(name)
                .and_then(|template| template.render(Value::from_object(root)));
            let Err(error) = rendered else { break };
            let missed = search.missed.lock().unwrap_or_else(PoisonError::into_inner);
            match missed.clone() {
                Some(missed) if error.kind() == ErrorKind::UndefinedError => unknown.insert(missed),
                _ => return Err(explain(name, &error)),
            };
        }
        Ok(unknown)
    }

    /// All annotations, filled in. One that fails shows its template and why: an alert is not lost for its wording.
    #[must_use]
    pub fn render_all(&self, subject: &TemplateSubject<'_>) -> BTreeMap<String, String> {
        let render = |name: &String, source: &String| {
            self.render(name, subject)
                .unwrap_or_else(|error| format!("{source} ({})", error.why))
        };
        self.sources
            .iter()
            .map(|(name, source)| (name.clone(), render(name, source)))
            .collect()
    }
}

impl fmt::Debug for AnnotationTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Annotations").field(&self.sources).finish()
    }
}

fn explain(name: &str, error: &Error) -> TemplateError {
    TemplateError {
        name: name.to_owned(),
        line: error
            .line()
            .and_then(|line| u32::try_from(line).ok())
            .unwrap_or(1),
        why: error
            .detail()
            .map_or_else(|| error.kind().to_string(), str::to_owned),
    }
}

/// What a template asked for and did not get.
#[derive(Debug)]
struct NameSearch {
    /// Names that are not there and are given all the same, so that the next one is found.
    given: BTreeSet<String>,
    /// The last name that was asked for in vain.
    missed: Mutex<Option<String>>,
}

impl NameSearch {
    fn miss(&self, name: String) -> Option<Value> {
        if self.given.contains(&name) {
            return Some(Value::from("1"));
        }
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
        None
    }
}

/// Labels or annotations of a subject whose misses are noted.
#[derive(Debug)]
struct NamedTexts {
    prefix: &'static str,
    texts: BTreeMap<String, String>,
    search: Arc<NameSearch>,
}

impl NamedTexts {
    fn value(prefix: &'static str, texts: &BTreeMap<String, String>, search: &Arc<NameSearch>) -> Value {
        Value::from_object(Self {
            prefix,
            texts: texts.clone(),
            search: Arc::clone(search),
        })
    }
}

impl Object for NamedTexts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        match self.texts.get(name) {
            Some(text) => Some(Value::from(text.as_str())),
            None => self.search.miss(format!("{}.{name}", self.prefix)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(self.texts.keys().map(Value::from).collect())
    }
}

/// Everything that a template may speak of.
#[derive(Debug)]
struct SubjectObject {
    alertname: String,
    value: Option<f64>,
    labels: Value,
    annotations: Value,
    search: Arc<NameSearch>,
}

impl Object for SubjectObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "alertname" => Some(Value::from(self.alertname.as_str())),
            "value" => Some(Value::from(self.value)),
            "labels" => Some(self.labels.clone()),
            "annotations" => Some(self.annotations.clone()),
            name => self.search.miss(name.to_owned()),
        }
    }
}

/// A filter's number; an unknown one is shown as `unknown`.
fn number(value: Value) -> Result<Option<f64>, Error> {
    if value.is_none() {
        return Ok(None);
    }
    f64::try_from(value.clone())
        .ok()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .map(Some)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{value} is not a number")))
}

fn shown(value: Option<f64>, show: impl FnOnce(f64) -> String) -> String {
    match value {
        Some(value) if value.is_finite() => show(value),
        _ => "unknown".to_owned(),
    }
}

/// Seconds as the two largest units: `3d 4h`, `12m 5s`, `0.4s`.
fn duration(value: Option<f64>) -> String {
    const UNITS: [(&str, f64); 4] = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    shown(value, |seconds| {
        let sign = if seconds < 0.0 { "-" } else { "" };
        let size = seconds.abs();
        if size < 1.0 {
            return format!("{sign}{}s", (size * 1_000.0).round() / 1_000.0);
        }
        let mut rest = size.round();
        let mut words = Vec::new();
        for (unit, length) in UNITS {
            let whole = (rest / length).floor();
            if whole >= 1.0 || !words.is_empty() {
                words.push((whole, unit));
                rest -= whole * length;
            }
        }
        let words = words.into_iter().take(2).filter(|(whole, _)| *whole >= 1.0);
        let words: Vec<String> = words.map(|(whole, unit)| format!("{whole}{unit}")).collect();
        format!("{sign}{}", words.join(" "))
    })
}

/// Bytes in powers of 1024: `1.5 GiB`.
fn bytes(value: Option<f64>) -> String {
    shown(value, |bytes| {
        let mut rest = bytes;
        let mut unit = "B";
        for larger in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
            if rest.abs() < 1024.0 {
                break;
            }
            rest /= 1024.0;
            unit = larger;
        }
        format!("{} {unit}", (rest * 10.0).round() / 10.0)
    })
}

/// A share as percent: 0.125 is `12.5%`.
fn percent(value: Option<f64>) -> String {
    shown(value, |share| format!("{}%", (share * 1_000.0).round() / 10.0))
}

/// A number without needless decimals: `12`, `0.35`.
fn count(value: Option<f64>) -> String {
    shown(value, |number| format!("{}", (number * 100.0).round() / 100.0))
}

/// A number, with what it counts: of one it is the noun as it is given, of any other its regular plural.
fn counted(value: Option<f64>, noun: Option<&str>) -> String {
    let number = count(value);
    match noun {
        None => number,
        Some(noun) if number == "1" => format!("1 {noun}"),
        Some(noun) => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    fn rendered(template: &str, value: Option<f64>) -> Result<String, String> {
        let annotations = AnnotationTemplates::compile(map(&[("summary", template)]))
            .map_err(|errors| errors[0].to_string())?;
        let subject = TemplateSubject {
            alertname: "A",
            labels: &map(&[("node", "n1")]),
            value,
            annotations: &map(&[("reason", "<disk>")]),
        };
        annotations
            .render("summary", &subject)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn filters_show_numbers_as_people_read_them() {
        let show =
            |filter: &str, value: f64| rendered(&format!("{{{{ value | {filter} }}}}"), Some(value)).unwrap();
        assert_eq!(show("duration", 273_600.0), "3d 4h");
        assert_eq!(show("duration", 725.0), "12m 5s");
        assert_eq!(show("duration", 3_600.0), "1h");
        assert_eq!(show("duration", 86_405.0), "1d");
        assert_eq!(show("duration", 0.4), "0.4s");
        assert_eq!(show("duration", -60.0), "-1m");
        assert_eq!(
            [0.0, 1.0, 2.0].map(|value| show("count('node')", value)),
            ["0 nodes", "1 node", "2 nodes"]
        );
        assert_eq!(show("bytes", 1_610_612_736.0), "1.5 GiB");
        assert_eq!(show("bytes", 12.0), "12 B");
        assert_eq!(show("percent", 0.125), "12.5%");
        assert_eq!(show("count", 3.0), "3");
        assert_eq!(rendered("{{ value | duration }}", None).unwrap(), "unknown");
        assert_eq!(rendered("{{ '90' | duration }}", None).unwrap(), "1m 30s");
    }

    #[test]
    fn nothing_is_escaped_and_what_is_not_there_is_an_error() {
        assert_eq!(
            rendered("{{ labels.node }}: {{ annotations.reason }}", None).unwrap(),
            "n1: <disk>"
        );
        assert!(rendered("{{ labels.pod }}", None).is_err());
        assert!(rendered("{{ labels.node", None).is_err());
        assert!(rendered("{{ labels.node | nope }}", None).is_err());
    }

    #[test]
    fn every_name_that_is_not_there_is_named_and_questions_about_one_are_not() {
        let unknown = |template: &str| {
            let annotations = AnnotationTemplates::compile(map(&[("summary", template)])).unwrap();
            let subject = TemplateSubject {
                alertname: "A",
                labels: &map(&[("node", "n1")]),
                value: Some(1.0),
                annotations: &map(&[("reason", "disk")]),
            };
            let names = annotations.unknown_names("summary", &subject);
            names.map(|names| names.into_iter().collect::<Vec<_>>().join(" "))
        };
        let good = "{{ alertname }} {{ labels.node }} {{ value | count('time') }} {{ annotations.reason }}";
        assert_eq!(unknown(good).unwrap(), "");
        assert_eq!(
            unknown("{{ labels.pod }} {{ node }} {{ annotations.raeson }} {{ labels.node }}").unwrap(),
            "annotations.raeson labels.pod node"
        );
        assert_eq!(unknown("{% if labels.pod is defined %}x{% endif %}").unwrap(), "");
        assert_eq!(unknown("{% for n in range(2) %}{{ n }}{% endfor %}").unwrap(), "");
        assert!(unknown("{{ labels.node | duration }}").is_err());
    }

    #[test]
    fn an_annotation_that_fails_shows_its_template() {
        let annotations = AnnotationTemplates::compile(map(&[("summary", "on {{ labels.pod }}")])).unwrap();
        let none = BTreeMap::new();
        let subject = TemplateSubject {
            alertname: "A",
            labels: &none,
            value: None,
            annotations: &none,
        };
        let all = annotations.render_all(&subject);
        assert!(all["summary"].starts_with("on {{ labels.pod }} ("), "{all:?}");
    }
}
