from __future__ import annotations

import importlib.util
import json

from napari_sam2.cli import doctor


def test_doctor_lists_every_check_and_fails_only_for_what_is_needed(run, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "not" / "there"))
    code, out, _ = run("doctor")
    for word in ("Python", "torch", "processor", "device", "weights", "napari", "Qt", "disk"):
        assert word in out
    assert code == (1 if "missing" in out else 0)
    code, told, _ = run("doctor --json")
    checks = json.loads(told)["checks"]
    assert {check["what"] for check in checks} >= {"Python", "torch", "weights"}
    assert code == (1 if "missing" in {check["verdict"] for check in checks} else 0)


def test_absent_napari_and_qt_are_notes_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for finding, command in ((doctor.check_napari(), "napari-sam2[all]"), (doctor.check_qt(), "pip install PySide6")):
        assert finding.verdict == "note"
        assert command in finding.advice


def test_brackets_are_shown_as_they_are(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    found = doctor.Finding("napari", "note", "in env[1]", 'pip install "napari-sam2[all]"')
    monkeypatch.setattr(doctor, "CHECKS", (lambda: found,))
    _, out, _ = run("doctor")
    assert "in env[1]" in out
    assert 'pip install "napari-sam2[all]"' in out


def test_two_qt_bindings_are_noticed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in ("PySide6", "PyQt6") or None)
    assert doctor.check_qt().found == "PySide6 and PyQt6"


def test_weights_that_are_gone_fail_with_advice(monkeypatch, tmp_path):
    from sam2_core.checkpoints import registry

    entry = registry.ModelEntry("cells-nano", "cells_nano", "gone.safetensors", path=tmp_path / "gone.safetensors")
    monkeypatch.setattr(registry, "find_model", lambda name: entry)
    finding = doctor.check_weights()
    assert finding.verdict == "missing"
    assert "pip install" in finding.advice


def test_full_disk_is_noticed(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: doctor.shutil._ntuple_diskusage(10**9, 10**9, 1000))
    assert doctor.check_disk().verdict == "note"
