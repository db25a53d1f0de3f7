-- Files of rules that an evaluator refuses, so that whoever wrote one sees it where rules are looked at.

create table ledger.refused_rule (
    evaluator text not null references ledger.evaluator on delete cascade,
    file text not null,
    rule text not null,
    reason text not null,
    since timestamptz not null,
    primary key (evaluator, file)
);
comment on table ledger.refused_rule is 'Files of rules that each evaluator refuses at present; a version that it read before goes on.';
comment on column ledger.refused_rule.evaluator is 'Evaluator that refuses it.';
comment on column ledger.refused_rule.file is 'The file.';
comment on column ledger.refused_rule.rule is 'Id of the rule that it would be: the file name without folder and ending.';
comment on column ledger.refused_rule.reason is 'Everything that is wrong with it, with line and column, and what to do.';
comment on column ledger.refused_rule.since is 'Since when it is refused for this reason.';
comment on column ledger.rule.removed_at is 'When it was gone from the folder, or refused by an evaluator that had read no earlier version.';
