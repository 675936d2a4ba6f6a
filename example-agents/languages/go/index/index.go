// Package index is the work itself. It uses the standard library only, so that `make test` runs
// it natively.
package index

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// File is the file that is written.
const File = "INDEX.md"

// Why nothing was listed.
var (
	ErrTitle = errors.New("the title of the list must be one line")
	ErrEmpty = errors.New("there are no files to list")
)

// Index is what was listed.
type Index struct{ Files, Lines int }

// Write lists the files in a directory, with their lines, in its INDEX.md.
func Write(dir, title string) (Index, error) {
	if strings.Contains(title, "\n") {
		return Index{}, ErrTitle
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return Index{}, err
	}
	var index Index
	var text strings.Builder
	fmt.Fprintf(&text, "# %s\n\n| file | lines |\n|---|---|\n", title)
	for _, entry := range entries {
		if entry.Name() == File || !entry.Type().IsRegular() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return Index{}, err
		}
		lines := lines(content)
		fmt.Fprintf(&text, "| %s | %d |\n", entry.Name(), lines)
		index.Files++
		index.Lines += lines
	}
	if index.Files == 0 {
		return Index{}, ErrEmpty
	}
	return index, os.WriteFile(filepath.Join(dir, File), []byte(text.String()), 0o666)
}

// Lines, the last one also without an end.
func lines(content []byte) int {
	n := bytes.Count(content, []byte("\n"))
	if len(content) > 0 && content[len(content)-1] != '\n' {
		n++
	}
	return n
}
