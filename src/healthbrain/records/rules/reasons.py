"""Why a row was not taken: codes with their words. The words are for the person who made the sheet."""

from __future__ import annotations

REASONS = {  # Chinese, as it is stored and stands in the sheet sent back; English, as a page may say it
    "required": ("必填项为空", "A required field is empty"),
    "date-invalid": ("日期不存在或格式不认识", "No such date, or not in a known form"),
    "number-invalid": ("不是数字", "Not a number"),
    "sex-invalid": (
        "性别代码不认识（1/男、2/女、0/未知、9/未说明）",
        "Unknown sex code (1, 2, 0 or 9)",
    ),
    "quote-open": ("引号没有成对", "A quotation mark is not closed"),
    "column-count": ("列数与表头不一致，可能错列", "Columns do not match the header: perhaps shifted"),
    "sheet-extra": (
        "工作簿里还有别的工作表，未读取：请分开上传",
        "Further sheets were not read: upload them alone",
    ),
    "merged-cells": (
        "横向合并的单元格，无法判断各列的值",
        "Cells merged across columns: values are lost",
    ),
    "header-duplicate": ("表头有重复的列名", "The header names a column twice"),
    "header-missing": ("表头缺少必需的列", "The header lacks a required column"),
    "template-unknown": (
        "认不出是哪种模板：请用模板的文件名或表头",
        "Unknown template: use its file name or header",
    ),
    "file-type": ("不支持的文件类型", "This type of file is not taken"),
    "file-encoding": ("文件编码不认识（请用 UTF-8 或 GBK）", "Unknown encoding (use UTF-8 or GBK)"),
    "file-damaged": ("文件损坏，打不开", "The file is damaged"),
    "file-too-large": ("文件解压后过大，疑似压缩炸弹", "Too large when unpacked, perhaps a zip bomb"),
    "row-too-large": ("单行过大", "The row is too large"),
    "json-invalid": ("JSON 不完整或有错", "JSON is incomplete or wrong"),
    "nesting-too-deep": ("嵌套层次过深", "Nested too deep"),
    "not-a-resource": ("不是 FHIR 资源", "Not a FHIR resource"),
    "resource-invalid": ("FHIR 资源不合规范", "The FHIR resource breaks the specification"),
    "hl7-invalid": ("HL7 消息不完整或有错", "The HL7 message is incomplete or wrong"),
    "store-refused": (
        "数据库无法保存这一行（含有不合法的字符或数值）",
        "The database cannot hold this row",
    ),
    "cancelled-transaction": (
        "同一事务中有不合格的资源，整体未入库",
        "Another of its transaction was refused",
    ),
}


def message(reason: str, detail: str = "") -> str:
    """The reason in words, with what was found."""
    words = REASONS[reason][0]
    return f"{words}：{detail}" if detail else words


def english(reason: str, message: str) -> str:
    """A stored message in English, with what was found; an unknown reason stays as it is."""
    words = REASONS.get(reason)
    if words is None:
        return message
    detail = message.removeprefix(words[0]).removeprefix("：")
    return f"{words[1]}: {detail}" if detail else words[1]
