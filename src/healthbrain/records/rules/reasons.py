"""Why a row was not taken: codes with their words. The words are for the person who made the sheet."""

from __future__ import annotations

REASONS = {
    "required": "必填项为空",
    "date-invalid": "日期不存在或格式不认识",
    "number-invalid": "不是数字",
    "sex-invalid": "性别代码不认识（1/男、2/女、0/未知、9/未说明）",
    "quote-open": "引号没有成对",
    "column-count": "列数与表头不一致，可能错列",
    "sheet-extra": "工作簿里还有别的工作表，未读取：请分开上传",
    "merged-cells": "横向合并的单元格，无法判断各列的值",
    "header-duplicate": "表头有重复的列名",
    "header-missing": "表头缺少必需的列",
    "template-unknown": "认不出是哪种模板：请用模板的文件名或表头",
    "file-type": "不支持的文件类型",
    "file-encoding": "文件编码不认识（请用 UTF-8 或 GBK）",
    "file-damaged": "文件损坏，打不开",
    "file-too-large": "文件解压后过大，疑似压缩炸弹",
    "row-too-large": "单行过大",
    "json-invalid": "JSON 不完整或有错",
    "nesting-too-deep": "嵌套层次过深",
    "not-a-resource": "不是 FHIR 资源",
    "resource-invalid": "FHIR 资源不合规范",
    "hl7-invalid": "HL7 消息不完整或有错",
    "store-refused": "数据库无法保存这一行（含有不合法的字符或数值）",
    "cancelled-transaction": "同一事务中有不合格的资源，整体未入库",
}


def message(reason: str, detail: str = "") -> str:
    """The reason in words, with what was found."""
    words = REASONS[reason]
    return f"{words}：{detail}" if detail else words
