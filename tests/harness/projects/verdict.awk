# Two runs' results, the directory's first: what passes there has to pass in the session.

function excluded(name) {
  for (i = 1; i <= patterns; i++) if (name ~ pattern[i]) return 1
  return 0
}

BEGIN {
  # PROJECT PATTERN REASON...
  while ((getline line < exclusions) > 0) {
    if (line ~ /^#/ || split(line, f, " ") < 3 || f[1] != project) continue
    gsub(/_/, " ", f[2])
    pattern[++patterns] = f[2]
  }
}
{ how = $1; name = substr($0, length($1) + 2) }
FNR == NR { there[name] = how; next }
{ here[name] = how }

END {
  for (name in there) {
    if (there[name] == "bad") failing++
    if (there[name] == "skip") skipped++
    if (there[name] != "ok") continue
    how = name in here ? here[name] : "gone"
    if (how == "ok") { passed++; continue }
    if (excluded(name)) { out++; continue }
    lost++
    print "  " (how == "bad" ? "FAILS in the session: " : how == "skip" ? "SKIPPED in the session: " : "NOT RUN in the session: ") name
  }
  for (name in here) if (here[name] == "ok" && there[name] != "ok") more++
  wrong = plain != session && !(out > 0 && session != 0)
  if (wrong) printf "  exit status: %d in the directory, %d in the session\n", plain, session
  printf "%s: %d passed, %d failed, %d excluded", project, passed, lost, out
  printf " (in the directory %d fail and %d are skipped; %d pass in the session alone; status %d and %d; %s)\n",
    failing, skipped, more, plain, session, took
  exit lost > 0 || wrong || passed == 0
}
