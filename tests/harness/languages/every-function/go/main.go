//go:build wasip1

// Calls every function of `brio:core`, and prints whether each answered as its WIT says.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"my-agent-go/internal/brio"
)

func init() { brio.Run = run }

func main() {}

var failed []string

func check(name string, err error, holds bool) {
	if err == nil && holds {
		fmt.Println("OK", name)
		return
	}
	fmt.Println("FAIL", name+":", err)
	failed = append(failed, name)
}

func run(task brio.Task) (brio.Report, error) {
	id := task.SessionID
	check("write-file", brio.WriteFile("t/a.txt", "one\ntwo\n"), true)
	content, err := brio.ReadFile("t/a.txt")
	check("read-file", err, string(content) == "one\ntwo\n")
	lines, err := brio.ReadFileRange("t/a.txt", 2, 2)
	check("read-file-range", err, lines == "two\n")
	places, err := brio.Edit("t/a.txt", "two", "2", false)
	check("edit", err, places == 1)
	entries, err := brio.ListDirectory("t")
	check("list-directory", err, slices.Equal(entries, []brio.Entry{{Name: "a.txt", Kind: "file", Size: 6}}))
	status, err := brio.SessionStatus(id)
	check("status", err, status.State == "open" && status.Parent == "" && len(status.OpenChildren) == 0)
	changes, err := brio.ChangeSet(id)
	check("change-set", err, slices.Contains(changes, brio.Change{Path: "t/a.txt", Kind: "added", Type: "file", Size: 6}))
	about, err := brio.SessionMetadata(id)
	check("metadata", err, about.SessionID == id && about.TaskID == task.ID && about.CreatedAt > 0 && about.Path == "/workspace")
	check("say", brio.Say(id, "from Go"), true)
	check("decide", brio.Decide(id, brio.Decision{Title: "one", Why: "two", Alternatives: []string{"three", ""}}), true)
	child, err := brio.BeginSession("/workspace")
	check("begin-session", err, strings.HasPrefix(child, "sess-"))
	path, err := brio.SessionPath(child)
	check("get-session-path", err, path == "/sessions/"+child)
	status, err = brio.SessionStatus(child)
	check("status of a child", err, status.State == "open" && status.Parent == id)
	put := func(text string) error { return os.WriteFile(path+"/landed.txt", []byte(text), 0o666) }
	check("os.WriteFile", put("landed"), true)
	made, err := brio.MakeCheckpoint(child, "one")
	check("checkpoint", err, made.Name == "one" && made.CreatedAt > 0)
	check("os.WriteFile again", put("later"), true)
	made, err = brio.Restore(child, "one")
	check("restore", err, made.Name == "one")
	all, err := brio.Checkpoints(child)
	check("checkpoints", err, len(all) > 0 && all[0].Name == "one")
	err = brio.CommitSession(child)
	landed, _ := os.ReadFile("/workspace/landed.txt")
	check("commit-session", err, string(landed) == "landed")
	other, err := brio.BeginSession("/workspace")
	check("begin-session again", err, true)
	check("rollback-session", brio.RollbackSession(other), true)
	err = brio.Remove("t/a.txt")
	entries, _ = brio.ListDirectory("t")
	check("remove", err, len(entries) == 0)
	_, err = brio.ReadFile("no/such/file")
	var typed *brio.Error
	check("not-found", nil, errors.As(err, &typed) && typed.Case == "not-found" && typed.Text == "no/such/file")

	// A heap that grows far beyond what Go begins with, between calls of the host.
	var kept [][]byte
	for range 64 {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 0xff
		}
		kept = append(kept, block)
		if _, err := brio.ChangeSet(id); err != nil {
			return brio.Report{}, err
		}
		if _, err := os.ReadDir("/workspace"); err != nil {
			return brio.Report{}, err
		}
	}
	whole := true
	for _, block := range kept {
		whole = whole && !slices.ContainsFunc(block, func(b byte) bool { return b != 0xff })
	}
	check("a large heap", nil, whole)
	if len(failed) > 0 {
		return brio.Report{}, &brio.Error{Case: "check-failed", Text: strings.Join(failed, ", ")}
	}
	return brio.Report{Summary: "every function answered"}, nil
}
