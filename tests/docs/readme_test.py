"""Holds the README to itself, to the program's options and to the checkers of its languages."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

import readme

sys.path.insert(0, str(readme.TREE / "packaging" / "man"))

import options  # noqa: E402  pylint: disable=wrong-import-position

BINARY = os.environ["SPANMETER"]

# What only the configuration of Prometheus has.
IS_PROMETHEUS = re.compile(r"^(scrape_configs|rule_files):", re.MULTILINE)
IS_GRAFANA = re.compile(r"^apiVersion:", re.MULTILINE)
IS_JAEGER = re.compile(r"^  jaeger_query:", re.MULTILINE)

# In the tables about moving from elsewhere, the first column is in the words of elsewhere.
CONNECTORS = "Dashboards made for the Collector's connectors, and Jaeger's Monitor tab"
FOREIGN_SECTIONS = ("Moving from Tempo", "Moving from the Collector's connectors", CONNECTORS)

# What is in back quotes and looks like an option, and is none.
NO_OPTIONS = {
    # values of options, labels and reasons
    "dry_run", "metric_overflow", "client_", "server_",
    # of the world around
    "honor_labels", "otel_metric_overflow", "otel_scope_name", "scrape_timeout",
    "non_idempotent", "partial_success", "routing_key",
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class LinksTest(unittest.TestCase):
    def test_each_anchor_is_a_heading(self):
        anchors = {readme.anchor(title) for title in readme.headings()}
        for link in re.findall(r"\]\(#([^)]*)\)", readme.text()):
            with self.subTest(link=link):
                self.assertIn(link, anchors)

    def test_no_two_headings_share_an_anchor(self):
        anchors = [readme.anchor(title) for title in readme.headings()]
        self.assertEqual(sorted(anchors), sorted(set(anchors)))

    def test_the_table_of_contents_lists_all_sections_in_order(self):
        listed = re.findall(r"^- \[(.*)\]\(#(.*)\)$", readme.section("Contents"), re.MULTILINE)
        sections = [title for title in readme.headings("##") if title != "Contents"]
        self.assertEqual(listed, [(title, readme.anchor(title)) for title in sections])


class BlocksTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="spanmeter-readme-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def write(self, name, text):
        file = self.directory / name
        file.write_text(text, encoding="utf-8")
        return str(file)

    def test_each_block_has_a_language_that_is_tested(self):
        # Blocks without one are pictures and what programs print.
        self.assertLessEqual({block.language for block in readme.blocks()},
                             {"", "sh", "toml", "yaml", "promql", "nginx"})

    def test_each_configuration_is_valid(self):
        self.assertGreaterEqual(len(readme.blocks("toml")), 5)
        for block in readme.blocks("toml"):
            with self.subTest(block=block):
                result = run(BINARY, f"--config.file={self.write('spanmeter.toml', block.text)}", "--check-config")
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_each_configuration_of_prometheus_is_valid(self):
        found = [block for block in readme.blocks("yaml") if IS_PROMETHEUS.search(block.text)]
        self.assertGreaterEqual(len(found), 2)
        for block in found:
            with self.subTest(block=block):
                result = run("promtool", "check", "config", self.write(
                    "prometheus.yml", block.text.replace("/usr/share/spanmeter/", f"{readme.TREE}/etc/")))
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_each_configuration_of_a_collector_is_yaml_with_pipelines_of_parts_that_are_there(self):
        others = (IS_PROMETHEUS, IS_GRAFANA, IS_JAEGER)
        found = [block for block in readme.blocks("yaml")
                 if not any(other.search(block.text) for other in others)]
        self.assertGreaterEqual(len(found), 2)
        for block in found:
            with self.subTest(block=block):
                content = yaml.safe_load(block.text)
                self.assertLessEqual(set(content), {"receivers", "exporters", "service"})
                for pipeline in content["service"]["pipelines"].values():
                    for kind, parts in pipeline.items():
                        self.assertLessEqual(set(parts), set(content[kind]))

    def test_grafana_is_told_to_read_the_folder_that_packages_have(self):
        (block,) = [block for block in readme.blocks("yaml") if IS_GRAFANA.search(block.text)]
        content = yaml.safe_load(block.text)
        self.assertEqual(content["apiVersion"], 1)
        (provider,) = content["providers"]
        self.assertEqual(provider["type"], "file")
        path = provider["options"]["path"].replace("/usr/share/spanmeter/", f"{readme.TREE}/etc/")
        self.assertGreaterEqual(len(list(pathlib.Path(path).glob("*.json"))), 3)

    def test_jaeger_is_told_that_names_have_suffixes(self):
        (block,) = [block for block in readme.blocks("yaml") if IS_JAEGER.search(block.text)]
        parts = yaml.safe_load(block.text)["extensions"]
        name = parts["jaeger_query"]["storage"]["metrics"]
        backend = parts["jaeger_storage"]["metric_backends"][name]["prometheus"]
        self.assertTrue(backend["normalize_calls"] and backend["normalize_duration"])

    def test_messages_about_a_wrong_configuration_are_those_of_the_program(self):
        shown = next(block.text for block in readme.blocks("") if "spanmeter.toml:3:" in block.text)
        # What has to be in the file for these messages.
        text = ('[otlp.grpc]\n\nmax_message_size = "16MB5"\n[generator]\n'
                'stale_duraton = "1m"\nmax_active_series = -1\n')
        file = self.write("spanmeter.toml", text)
        result = run(BINARY, f"--config.file={file}", "--check-config")
        self.assertEqual(result.stderr.replace(file, "spanmeter.toml"), shown)


class NamesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.options = options.Program(BINARY).options()
        cls.metrics = readme.metric_rows()

    def our_prose(self):
        """The text without what is in the words of others: of tables there, the second column is ours."""
        text = readme.prose()
        for title in FOREIGN_SECTIONS:
            ours = re.sub(r"^\|[^|]*\|([^|]*)\|.*$", r"|\1|", readme.section(title), flags=re.MULTILINE)
            text = text.replace(readme.section(title), ours)
        return text

    def quoted_options(self):
        """What looks like an option in back quotes: alone, with its table, or with a value."""
        for quoted in set(re.findall(r"`([^`\n]+)`", self.our_prose())):
            match = re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)*)(?: = .*)?", quoted)
            others = quoted.startswith(("traces_", "spanmeter_", "process_", "_")) or quoted.endswith(".json")
            if match and not others:
                yield match.group(1)

    def test_each_option_in_the_text_exists(self):
        known = {part for option in self.options for part in option.path.replace("[]", "").split(".")}
        # The tables of metrics also hold labels and their values.
        for _, rest in self.metrics.values():
            known.update(re.findall(r"`(\w+)`", rest))
        known.update(re.findall(r"^\|.*?`(\w+)`.*?\|", readme.section("Generated metrics"), re.MULTILINE))
        known.update(re.findall(r"`(\w+)`", readme.section("Generated metrics")))
        words = {word for quoted in self.quoted_options() if "_" in quoted
                 for word in quoted.split(".") if "_" in word}
        self.assertGreater(len(words), 40)
        self.assertEqual(words - known - NO_OPTIONS, set())

    def test_options_with_their_table_exist_as_written(self):
        paths = {option.path.replace("[]", "") for option in self.options}
        tables = {part for path in paths for part in path.split(".")[:-1]}
        written = {quoted for quoted in self.quoted_options() if quoted.split(".")[0] in tables and "." in quoted}
        self.assertGreater(len(written), 10)
        ends = {".".join(path.split(".")[start:end]) for path in paths
                for start in range(path.count(".") + 1) for end in range(start + 1, path.count(".") + 2)}
        self.assertEqual(written - ends, {"service.name", "service.namespace"} & written)

    def test_each_metric_in_the_text_is_in_a_table(self):
        names = set(re.findall(r"\b(?:spanmeter|traces)_\w+[a-z]\b", self.our_prose()))
        self.assertEqual({name for name in names if not {
            name, re.sub(r"_(bucket|count|sum)$", "", name)} & set(self.metrics)}, set())


    def test_values_of_options_in_the_text_are_accepted(self):
        program = options.Program(BINARY)
        written = set(re.findall(r"`([a-z_.]+) = ([^`]+)`", self.our_prose()))
        self.assertGreater(len(written), 6)
        for name, value in written:
            if name in ("client", "virtual_node"):  # labels
                continue
            paths = [option.path for option in self.options
                     if re.search(rf"(^|\.){re.escape(name)}(\[\])?$", option.path)]
            with self.subTest(name=name, value=value):
                # Somewhere there is such an option that this may be a value of.
                self.assertTrue(any(not program.refuses(path, value) for path in paths), paths)

    def test_messages_of_the_log_in_the_text_are_those_of_the_program(self):
        # Long messages are broken over lines of the source.
        source = "".join(re.sub(r'"\s*\n\s*"', "", file.read_text(encoding="utf-8"))
                         for file in sorted((readme.TREE / "src").rglob("*.cc")))
        messages = [quoted for quoted in re.findall(r"`([^`\n]+)`", readme.section("Troubleshooting"))
                    if re.fullmatch(r"[a-z]+ [a-z ]+", quoted) and not quoted.startswith(("spanmeter ", "curl "))]
        self.assertGreaterEqual(len(messages), 3)
        self.assertEqual([message for message in messages if f'"{message}' not in source], [])

    def test_words_of_the_troubleshooting_are_labels_reasons_or_options(self):
        known = {part for option in self.options for part in option.path.replace("[]", "").split(".")}
        for _, rest in self.metrics.values():
            known.update(re.findall(r"`(\w+)`", rest))
        # The port that is taken, the node of requests from outside, and the roles of somebody who asks.
        known |= {"user", "scrape", "scrape_timeout", "metric_overflow"}
        words = set(re.findall(r"`([a-z][a-z_]+)`", readme.section("Troubleshooting")))
        self.assertGreater(len(words), 20)
        self.assertEqual({word for word in words - known if not word.startswith("spanmeter_")}, set())


class TempoTest(unittest.TestCase):
    def test_the_table_of_options_is_the_programs(self):
        if "convert" not in run(BINARY, "--help").stdout:
            self.skipTest("this build has no spanmeter convert")
        table = re.search(r"<!-- Made by: spanmeter convert --table -->\n(.*?)<!-- End of what was made. -->",
                          readme.text(), re.DOTALL).group(1)
        self.assertEqual(table.strip(), run(BINARY, "convert", "--table").stdout.strip())


class TempoTest(unittest.TestCase):
    def test_the_table_of_options_is_the_programs(self):
        if "convert" not in run(BINARY, "--help").stdout:
            self.skipTest("this build has no spanmeter convert")
        table = re.search(r"<!-- Made by: spanmeter convert --table -->\n(.*?)<!-- End of what was made. -->",
                          readme.text(), re.DOTALL).group(1)
        self.assertEqual(table.strip(), run(BINARY, "convert", "--table").stdout.strip())


if __name__ == "__main__":
    unittest.main()
