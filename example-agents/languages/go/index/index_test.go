package index

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFilesAreListedWithTheirLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "Mine"); !errors.Is(err, ErrEmpty) {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"b.txt": "one\ntwo", "a.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if index, err := Write(dir, "Mine"); err != nil || index != (Index{2, 2}) {
			t.Fatal(index, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, File))
	if want := "# Mine\n\n| file | lines |\n|---|---|\n| a.txt | 0 |\n| b.txt | 2 |\n"; string(text) != want {
		t.Fatalf("%s%v", text, err)
	}
	if _, err := Write(dir, "two\nlines"); !errors.Is(err, ErrTitle) {
		t.Fatal(err)
	}
	if _, err := Write(filepath.Join(dir, "no"), "Mine"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}
