# What a test run printed, as a line for each test: "ok NAME", "skip NAME" or "bad NAME".
# Knows TAP, Rust's libtest, and jest's sums. A name that comes again is numbered.

function tell(how, name) {
  gsub(/[ \t]+/, " ", name)
  name = part ": " name
  again = ++seen[name]
  print how, name (again > 1 ? " (" again ")" : "")
}

BEGIN { part = "all" }
{ sub(/\r$/, ""); gsub(/\033\[[0-9;]*[A-Za-z]/, "") }

# From here on, another script's or program's.
/^== / { part = $2; next }
/^ +Running .* \(.*\)$/ { part = $0; sub(/^ +Running /, "", part); sub(/ \(.*/, "", part); next }
/^ +Doc-tests / { part = "doc " $2; next }

# TAP. Times are no part of a name. What is known to be broken counts as nothing.
/^ *(not )?ok [0-9]+/ {
  if (/# TODO/) next
  how = /^ *not/ ? "bad" : / # [Ss][Kk][Ii][Pp]/ ? "skip" : "ok"
  name = $0
  sub(/^ */, "", name); sub(/^not /, "", name); sub(/^ok /, "", name)
  # What is skipped has its description behind that word, and a reason at the end.
  if (how == "skip") { sub(/# [Ss][Kk][Ii][Pp] */, "- ", name); sub(/ \([^()]*\)$/, "", name) }
  sub(/ # time=.*/, "", name); sub(/ \{$/, "", name)
  tell(how, name)
  next
}

# libtest. What a test prints may stand before its result.
/^test .* \.\.\. / {
  how = / \.\.\. ok$/ ? "ok" : / \.\.\. ignored/ ? "skip" : "bad"
  name = $0
  sub(/^test /, "", name); sub(/ \.\.\. .*/, "", name)
  tell(how, name)
  next
}

# jest
/^(PASS|FAIL) / { tell($1 == "PASS" ? "ok" : "bad", $2); next }
# Only their number is told.
/^Tests: / {
  for (i = 2; i < NF; i++) {
    how = $(i + 1) ~ /^passed/ ? "ok" : $(i + 1) ~ /^failed/ ? "bad" : $(i + 1) ~ /^skipped/ ? "skip" : ""
    if (how) for (n = $i; n > 0; n--) tell(how, "a test that " how)
  }
}
