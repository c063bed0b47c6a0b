"""What is measured lands between its marks and nowhere else."""

import unittest

from write_into import replaced, tables

PAGE = """# Page

<!-- bench:one -->
old
<!-- /bench:one -->
kept
<!-- bench:two -->
<!-- /bench:two -->
"""


class WriteInto(unittest.TestCase):
    def test_only_what_was_measured_changes(self):
        self.assertEqual(replaced(PAGE, {"bench:one": "new\n"}), PAGE.replace("old", "new"))
        filled = replaced(PAGE, {"bench:two": "| a |\n"})
        self.assertIn("old\n", filled)
        self.assertIn("<!-- bench:two -->\n| a |\n<!-- /bench:two -->\n", filled)

    def test_a_backslash_stays_as_it_is(self):
        self.assertIn("\\1 \\g<0>\n", replaced(PAGE, {"bench:one": "\\1 \\g<0>\n"}))

    def test_a_page_without_the_marks_is_an_error(self):
        with self.assertRaisesRegex(KeyError, "bench:three"):
            replaced(PAGE, {"bench:three": "new\n"})

    def test_rows_become_a_table_for_each_heading(self):
        rows = "Load\ta\t1\nCrashes\tb\t2\nLoad\ta\t3\n"
        crashes, load = "### Crashes\n\n| What | Found |\n|---|---|\n| b | 2 |\n", "| a | 3 |\n"
        self.assertTrue(tables(rows).startswith(f"\n{crashes}\n### Load\n"))
        self.assertTrue(tables(rows).endswith(load + "\n"))
        self.assertNotIn("| a | 1 |", tables(rows))


if __name__ == "__main__":
    unittest.main()
