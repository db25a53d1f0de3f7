#!/usr/bin/env bash
# What PyPI's focus-validator 2.2.1 does with a valid file, alone. Seen on Python 3.12.1:
#
#  1. As pip resolves its requirements it does not run: it wants NumPy before 2 and any pyarrow, and pip takes a pyarrow that
#     refuses NumPy before 2 ("pyarrow requires NumPy 2.0 or newer, found 1.26.4").
#  2. With an older pyarrow it still does not run but from the folder that holds its package: it opens
#     focus_validator/rules/currency_codes.csv as a relative path.
#  3. It ends with exit code 0, however many rules fail.
#  4. InvoiceId-C-004-C ("MUST be null when …") and InvoiceId-C-005-C ("MUST NOT be null when …") are both applied to every
#     row, without their conditions: no file passes both.
#  5. ConsumedQuantity-C-006-C fails where there is no column CommitmentDiscountStatus, although that column is asked of
#     providers of commitments alone.
#
# Exits with 0 while all of that is so, with 1 if any of it changed, with 2 if it cannot be tried here.
set -u

python=${PYTHON:-}
for candidate in ${python:+"$python"} python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.1[23]*/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "no Python 3.12 or 3.13; name one with PYTHON=…"; exit 2; }

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$python" -m venv "$place/venv" || exit 2
"$place/venv/bin/pip" install --quiet --disable-pip-version-check focus-validator==2.2.1 || exit 2
changed=0
say() { echo "$1: $2"; [ "$1" = same ] || changed=1; }

"$place/venv/bin/python" - "$place/valid.csv" <<'PYTHON'
import csv, sys

row = {
    "BilledCost": "1", "BillingAccountId": "a", "BillingAccountName": "a", "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-04-01T00:00:00Z", "BillingPeriodStart": "2026-03-01T00:00:00Z",
    "ChargeCategory": "Usage", "ChargeClass": "", "ChargeDescription": "cpu", "ChargeFrequency": "Usage-Based",
    "ChargePeriodEnd": "2026-03-02T01:00:00Z", "ChargePeriodStart": "2026-03-02T00:00:00Z",
    "ConsumedQuantity": "2", "ConsumedUnit": "Hours", "ContractedCost": "1", "EffectiveCost": "1",
    "InvoiceId": "a/2026-03", "InvoiceIssuerName": "i", "ListCost": "1", "PricingCategory": "Standard",
    "PricingQuantity": "2", "PricingUnit": "Hours", "ProviderName": "p", "PublisherName": "p",
    "ServiceCategory": "Compute", "ServiceName": "s", "ServiceSubcategory": "Containers",
}
with open(sys.argv[1], "w", newline="") as file:
    writer = csv.DictWriter(file, list(row))
    writer.writeheader()
    writer.writerow(row)
    writer.writerow(row | {"InvoiceId": ""})
PYTHON

# In a folder, with criteria: prints the report, and its exit code last.
validate() {
    (cd "$1" && "$place/venv/bin/focus-validator" --data-file "$place/valid.csv" --validate-version 1.2.0.1 --block-download \
        --applicability-criteria USAGE_MEASUREMENT_SUPPORTED 2>&1; echo "exit $?")
}

report=$(validate "$place")
if grep -q 'pyarrow requires NumPy 2' <<<"$report"; then say same "does not run with what pip installs"
else say changed "runs with what pip installs, or fails otherwise: $(tail -2 <<<"$report")"; fi

"$place/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow<22' || exit 2
report=$(validate "$place")
if grep -q "No such file.*focus_validator/rules/currency_codes.csv" <<<"$report"; then say same "runs in the folder of its package alone"
else say changed "other folders: $(tail -2 <<<"$report")"; fi

packages=$("$place/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
report=$(validate "$packages")
fails() { grep -q "$1: FAIL" <<<"$report"; }
if fails InvoiceId-C-004-C && fails InvoiceId-C-005-C; then say same "one row with an invoice and one without: both rules fail"
else say changed "rules of InvoiceId: $(grep 'InvoiceId-C-00[45]' <<<"$report")"; fi
if fails ConsumedQuantity-C-006-C; then say same "ConsumedQuantity needs CommitmentDiscountStatus"
else say changed "ConsumedQuantity passes"; fi
if grep -q '^exit 0$' <<<"$report"; then say same "exit code 0 with $(sed -n 's/.*Fail: \([0-9]*\).*/\1/p' <<<"$report") failed rules"
else say changed "$(tail -1 <<<"$report") with failed rules"; fi
exit $changed
