//! What a select line shows of the tables a view reads.

use serde_json::Value;
use sqlparser::{
    ast::{
        BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
        Value as SqlValue,
    },
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};

use super::relation::{Relation, Relations, part_name};
use super::{ColumnInverse, ShownSum, SumTerm, ledger_tables};

impl Relations {
    /// The way back from a select line.
    pub(super) fn inverse(&self, expr: &Expr) -> ColumnInverse {
        if let Some((alias, name)) = self.alias_and_name(expr)
            && let Some(Relation::List(names, rows)) = self.by_alias.get(&alias)
            && let Some(inverse) = self.named(&alias, &name, names, rows)
        {
            return inverse;
        }
        match self.sum(expr) {
            Some(sum) => ColumnInverse::Shown(sum),
            None => self.computed(expr),
        }
    }

    /// A name out of a list that is joined by its number.
    fn named(&self, alias: &str, name: &str, names: &[String], rows: &[Vec<Value>]) -> Option<ColumnInverse> {
        let (key, harness) = self.joined.iter().find_map(|(left, right)| {
            let (own, other) = match (left.0 == alias, right.0 == alias) {
                (true, _) => (left, right),
                (_, true) => (right, left),
                _ => return None,
            };
            Some((own.1.clone(), self.harness(other)?))
        })?;
        let at = |wanted: &str| names.iter().position(|one| one == wanted);
        let (key, show_labels) = (at(&key)?, at(name)?);
        let numbers = rows.iter().filter_map(|row| {
            let show_labels = row.get(show_labels)?.as_str()?.to_owned();
            Some((show_labels, row.get(key)?.clone()))
        });
        Some(ColumnInverse::AddressLabels {
            harness,
            numbers: numbers.collect(),
        })
    }

    fn sum(&self, expr: &Expr) -> Option<ShownSum> {
        if let Some(named) = self.alias_and_name(expr) {
            let term = SumTerm {
                harness: self.harness(&named)?,
                is_negative: false,
            };
            return Some(ShownSum {
                terms: vec![term],
                unit: 1.0,
            });
        }
        match strip_parentheses(expr) {
            Expr::Function(function) => {
                let name = function.name.0.last().and_then(part_name)?.to_lowercase();
                let arguments = arguments(&function.args);
                match name.as_str() {
                    // Of one row each of them is the row's own.
                    "round" | "sum" | "min" | "max" => self.sum(arguments.first()?),
                    // What a test leaves unsaid is NULL or 0, and does not count.
                    "least" | "greatest" | "coalesce" => {
                        self.sum(arguments.iter().find(|one| number(one).is_none())?)
                    }
                    _ => None,
                }
            }
            Expr::Case {
                operand: None,
                conditions,
                else_result,
                ..
            } => {
                let is_else_null = else_result.as_deref().is_none_or(is_null);
                match conditions.as_slice() {
                    [only] if is_else_null => self.sum(&only.result),
                    _ => None,
                }
            }
            Expr::BinaryOp { left, op, right } => self.operation(left, op, right),
            _ => None,
        }
    }

    fn operation(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<ShownSum> {
        let scaled = |sum: ShownSum, factor: f64| ShownSum {
            unit: sum.unit * factor,
            ..sum
        };
        match op {
            BinaryOperator::Divide => Some(scaled(self.sum(left)?, number(right)?)),
            BinaryOperator::Multiply => Some(scaled(self.sum(left)?, number(right)?.recip())),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                let (mut sum, other) = (self.sum(left)?, self.sum(right)?);
                let is_minus = *op == BinaryOperator::Minus;
                // Columns of different units cannot be weighed against each other.
                if (sum.unit - other.unit).abs() > f64::EPSILON {
                    return None;
                }
                sum.terms.extend(other.terms.into_iter().map(|term| SumTerm {
                    is_negative: term.is_negative != is_minus,
                    ..term
                }));
                Some(sum)
            }
            _ => None,
        }
    }

    /// What an expression names that has no way back.
    fn computed(&self, expr: &Expr) -> ColumnInverse {
        let text = expr.to_string();
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, &text).tokenize();
        let tokens: Vec<Token> = tokens.unwrap_or_default();
        let compose_notification = |token: &Token| match token {
            Token::Word(compose_notification) => Some(compose_notification.value.clone()),
            _ => None,
        };
        let (mut of, mut from) = (Vec::new(), ledger_tables(&text));
        for three in tokens.windows(3) {
            let [alias, Token::Period, name] = three else {
                continue;
            };
            let (Some(alias), Some(name)) = (compose_notification(alias), compose_notification(name)) else {
                continue;
            };
            if let Some(Relation::Other(tables)) = self.by_alias.get(&alias) {
                from.extend(tables.iter().cloned());
            }
            of.extend(
                self.harness(&(alias, name))
                    .filter(|harness| !of.contains(harness)),
            );
        }
        // Of a single relation PostgreSQL may write columns without its alias.
        if let ([only], true) = (self.order.as_slice(), of.is_empty()) {
            let named = tokens.iter().filter_map(compose_notification);
            of.extend(named.filter_map(|name| self.harness(&(only.clone(), name))));
        }
        ColumnInverse::Computed { of, from }
    }
}

/// Without brackets and casts, which change no number and no text.
pub(super) fn strip_parentheses(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => strip_parentheses(inner),
        other => other,
    }
}

fn arguments(arguments: &FunctionArguments) -> Vec<&Expr> {
    let FunctionArguments::List(list) = arguments else {
        return Vec::new();
    };
    let expressions = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    expressions.collect()
}

fn number(expr: &Expr) -> Option<f64> {
    match strip_parentheses(expr) {
        Expr::Value(value) => match &value.value {
            SqlValue::Number(text, _) | SqlValue::SingleQuotedString(text) => text.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => number(expr).map(|number| -number),
        _ => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(strip_parentheses(expr), Expr::Value(value) if value.value == SqlValue::Null)
}

pub(super) fn constant(expr: &Expr) -> Value {
    match strip_parentheses(expr) {
        Expr::Value(value) => match &value.value {
            SqlValue::Number(text, _) => text.parse::<i64>().map_or(Value::Null, Value::from),
            SqlValue::SingleQuotedString(text) => Value::from(text.as_str()),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
