"""Holds the tree to its structure, and the checker to finding every kind of violation."""

import os
import pathlib
import tempfile
import unittest

import layering


class BadTreeTest(unittest.TestCase):
    """Each test plants one violation in a small good tree and expects exactly that to be found."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.tree = pathlib.Path(directory.name)
        self.write("include/spanmeter/clock.h", "#include <cstdint>\n")
        self.write("include/spanmeter/registry.h", '#include "spanmeter/clock.h"\n')
        self.write("include/spanmeter/generator.h", '#include "spanmeter/registry.h"\n')
        self.write("src/base/clock.cc", '#include "spanmeter/clock.h"\n')
        self.write("src/registry/registry.cc", '#include "registry/shard.h"\n')
        self.write("src/registry/shard.h", '#include "spanmeter/clock.h"\n')
        self.write("src/generator/generator.cc", '#include "spanmeter/generator.h"\n')
        self.write("src/otlp/server.cc", "#include <grpcpp/grpcpp.h>\n")
        self.write("src/http/server.cc", "#include <civetweb.h>\n")
        self.write("src/config/parser.cc", "#include <toml++/toml.h>\n")
        self.write(
            "src/registry/CMakeLists.txt",
            "spanmeter_module(registry SOURCES registry.cc DEPENDS spanmeter_base)\n",
        )
        self.write("tests/registry/registry_test.cc", '#include "registry/shard.h"\n')

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def assert_only_problem(self, *parts):
        problems = layering.check_tree(self.tree)
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])

    def test_good_tree_has_no_problems(self):
        self.assertEqual(layering.check_tree(self.tree), [])

    def test_using_a_later_module_is_found_with_file_and_line(self):
        self.write("src/base/clock.cc", '#include <cstdint>\n#include "spanmeter/registry.h"\n')
        self.assert_only_problem("src/base/clock.cc:2", "base may not use the module registry")

    def test_later_module_in_a_public_header_is_found(self):
        self.write("include/spanmeter/registry.h", '#include "spanmeter/generator.h"\n')
        self.assert_only_problem("include/spanmeter/registry.h:1", "the module generator")

    def test_private_header_of_another_module_is_found(self):
        self.write("src/generator/generator.cc", '#include "registry/shard.h"\n')
        self.assert_only_problem("generator.cc:1", "private to the module registry")

    def test_private_header_in_a_public_one_is_found(self):
        self.write("include/spanmeter/registry.h", '#include "registry/shard.h"\n')
        self.assert_only_problem("include/spanmeter/registry.h:1", "includes no private one")

    def test_path_that_climbs_is_found(self):
        self.write("src/generator/generator.cc", '#include "../registry/shard.h"\n')
        self.assert_only_problem("generator.cc:1", "begin at include/ or src/")

    def test_own_header_in_angle_brackets_is_found(self):
        self.write("src/generator/generator.cc", "#include <spanmeter/registry.h>\n")
        self.assert_only_problem("generator.cc:1", "in quotes")

    def test_unknown_public_header_is_found(self):
        self.write("src/generator/generator.cc", '#include "spanmeter/nothing.h"\n')
        self.assert_only_problem("generator.cc:1", "no such public header")

    def test_public_header_of_no_module_is_found(self):
        self.write("include/spanmeter/orphan.h", "")
        self.assert_only_problem("include/spanmeter/orphan.h", "belongs to no module")

    def test_public_header_of_two_modules_is_found(self):
        self.write("src/registry/clock.cc", "")
        self.assert_only_problem("include/spanmeter/clock.h", "several modules: base, registry")

    def test_each_library_outside_of_its_modules_is_found(self):
        for library, header in (
            ("gRPC", "grpcpp/server.h"),
            ("gRPC", "grpc/grpc.h"),
            ("gRPC", "trace.grpc.pb.h"),
            ("libprotobuf", "google/protobuf/message.h"),
            ("libprotobuf", "trace.pb.h"),
            ("CivetWeb", "civetweb.h"),
            ("toml++", "toml++/toml.h"),
            ("prometheus-cpp", "prometheus/counter.h"),
        ):
            for line in (f"#include <{header}>\n", f'  #  include "{header}"\n'):
                with self.subTest(line=line):
                    self.write("src/registry/shard.h", line)
                    self.assert_only_problem("src/registry/shard.h:1", f"{library} may only")

    def test_unknown_module_is_found(self):
        self.write("src/misc/helper.cc", "")
        self.assert_only_problem("src/misc/helper.cc", "not a module")

    def test_link_against_the_order_is_found(self):
        self.write(
            "src/registry/CMakeLists.txt",
            "spanmeter_module(registry\n  SOURCES registry.cc\n  DEPENDS spanmeter_otlp)\n",
        )
        self.assert_only_problem("src/registry/CMakeLists.txt", "may not depend on otlp")

    def test_long_files_are_found_and_tests_may_be_longer(self):
        self.write("src/registry/shard.h", "\n" * 600)
        self.write("tests/registry/registry_test.cc", "\n" * 800)
        self.assertEqual(layering.check_tree(self.tree), [])
        self.write("src/registry/shard.h", "\n" * 601)
        self.assert_only_problem("src/registry/shard.h", "601 lines, more than 600")
        self.write("src/registry/shard.h", "")
        self.write("tests/registry/registry_test.cc", "\n" * 801)
        self.assert_only_problem("tests/registry/registry_test.cc", "801 lines, more than 800")


class SourceTreeTest(unittest.TestCase):
    maxDiff = None

    def test_tree_keeps_its_structure(self):
        tree = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
        self.assertEqual("\n".join(layering.check_tree(tree)), "")

    def test_tree_was_looked_at(self):
        tree = pathlib.Path(os.environ["SPANMETER_SOURCE_DIR"])
        modules = {path.parent.name for path in layering.code_files(tree, "src")
                   if path.suffix in {".cc", ".h"}}
        self.assertEqual(modules, set(layering.ALLOWED))


if __name__ == "__main__":
    unittest.main()
