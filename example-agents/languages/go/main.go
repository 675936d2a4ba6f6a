//go:build wasip1

// my-agent: lists the files at the top of the workspace, with their lines, in INDEX.md.
//
// Task: the title of the list, `Index` if empty.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"my-agent/index"
	"my-agent/internal/brio"
)

func init() { brio.Run = run }

func run(task brio.Task) (brio.Report, error) {
	title := strings.TrimSpace(task.Description)
	if title == "" {
		title = "Index"
	}
	listed, err := index.Write(".", title)
	var path *fs.PathError
	switch {
	case errors.Is(err, index.ErrTitle):
		return brio.Report{}, brio.InvalidTask(err.Error())
	case errors.As(err, &path):
		return brio.Report{}, brio.IO(path.Path, path.Err.Error())
	case err != nil:
		return brio.Report{}, err
	}
	// What will land, asked of the host.
	changes, err := brio.ChangeSet(task.SessionID)
	if err != nil {
		return brio.Report{}, err
	}
	return brio.Report{
		Summary: fmt.Sprintf("listed %d files; %d paths changed", listed.Files, len(changes)),
		Metrics: []brio.Metric{
			{Name: "files", Value: float64(listed.Files)},
			{Name: "lines", Value: float64(listed.Lines)},
		},
	}, nil
}

func main() {}
