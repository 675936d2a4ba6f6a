import os
import tempfile
import unittest

import index


class IndexTest(unittest.TestCase):
    def test_files_are_listed_with_their_lines(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "below"))
            with self.assertRaises(index.NothingToList):
                index.write(directory, "Mine")
            for name, content in [("b.txt", b"one\ntwo"), ("a.txt", b"")]:
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(content)
            for _ in range(2):
                self.assertEqual(index.write(directory, "Mine"), index.Index(2, 2))
            with open(os.path.join(directory, index.FILE), encoding="utf-8") as file:
                text = file.read()
            rows = "| a.txt | 0 |\n| b.txt | 2 |\n"
            self.assertEqual(text, f"# Mine\n\n| file | lines |\n|---|---|\n{rows}")
            with self.assertRaises(index.InvalidTask):
                index.write(directory, "two\nlines")
            with self.assertRaises(FileNotFoundError):
                index.write(os.path.join(directory, "no"), "Mine")


if __name__ == "__main__":
    unittest.main()
