"""Characters that people mistake for one another in names, written down by hand. Each word is one group.

`VARIANTS`: the same character in another script or printing. `LOOKALIKES`: different characters of similar shape,
as typists and character recognition confuse them; homophones need no table, pinyin finds them.
"""

from __future__ import annotations

import functools
from importlib.resources import files

VARIANTS = """
张張 陈陳 刘劉 杨楊 赵趙 黄黃 吴吳 孙孫 马馬 罗羅 郑鄭 谢謝 韩韓 冯馮 邓鄧 萧蕭肖 叶葉 苏蘇 吕呂 卢盧 钟鍾鐘锺
陆陸 贾賈 顾顧 谭譚 邹鄒 阎閻闫閆 龚龔 严嚴 庞龐 颜顏 钱錢 汤湯 温溫 乔喬 赖賴 龙龍 万萬 东東 华華 国國 丽麗 红紅
军軍 伟偉 杰傑 强強彊 兰蘭 凤鳳 云雲 玉玊 静靜 辉輝煇 刚剛 建建 荣榮 庆慶 宝寶 贵貴 学學 义義 礼禮 银銀 铁鐵
锋鋒 锦錦 鑫鑫 飞飛 鹏鵬 鸿鴻 齐齊 斋齋 爱愛 莲蓮 芦蘆 艳艷豔 娇嬌 妇婦 娟娟 孙孫 长長 门門 问問 闻聞 间間 韦韋
卫衛 书書 师師 范範 里裏裡 涛濤 涌湧 汉漢 洁潔 滨濱 峰峯 岩巖嵒 岚嵐 峦巒 群羣 启啟啓 吉𠮷 志誌 恒恆 慧惠 怀懷
恺愷 惠恵 德徳 禄祿 福褔 维維 绍紹 经經 绪緒 纪紀 纯純 线線 继繼 绍紹 玮瑋 琼瓊 瑶瑤 环環 珑瓏 玛瑪 琏璉 珐珐
尧堯 垄壟 声聲 处處 备備 头頭 乡鄉 产產 亚亞 亿億 从從 仓倉 仪儀 众眾 优優 伦倫 侠俠 俭儉 兴興 关關 农農 冲沖
净淨 凯凱 则則 创創 劲勁 励勵 勋勳 区區 协協 单單 卢盧 历歷 县縣 参參 双雙 发發 变變 叶葉 后後 向向 吴吳 咏詠
响響 团團 园園 围圍 图圖 圣聖 场場 坚堅 垒壘 块塊 墙牆 壮壯 复復 梦夢 奋奮 妆妝 孪孿 宁寧 实實 审審 宪憲 宾賓
对對 寻尋 导導 寿壽 将將 尔爾 尘塵 层層 岁歲 岗崗 币幣 帅帥 帆颿 干幹 广廣 应應 库庫 开開 异異 弥彌 录錄 彦彥
彻徹 忆憶 忧憂 战戰 户戶 执執 扬揚 抚撫 报報 拥擁 择擇 挥揮 摄攝 敌敵 数數 断斷 无無 旧舊 时時 显顯 晋晉 晓曉
晔曄 晖暉 术術 权權 条條 来來 松鬆 极極 构構 枫楓 枢樞 柠檸 标標 栋棟 树樹 样樣 桥橋 梁樑 楼樓 欢歡 汇匯 沈瀋
泽澤 浅淺 测測 济濟 浓濃 润潤 渊淵 渐漸 渔漁 灵靈 灿燦 炜煒 炼煉 烁爍 烨燁 热熱 焕煥 爷爺 牵牽 献獻 现現 电電
画畫 畅暢 疗療 皑皚 盖蓋 监監 确確 离離 种種 积積 称稱 稳穩 笔筆 简簡 类類 紧緊 纤纖 纲綱 纳納 组組 细細 终終
结結 给給 络絡 统統 绣繡 绮綺 绿綠 缘緣 罡罡 翘翹 耀燿 联聯 肃肅 胜勝 脉脈 舆輿 节節 芸蕓 苍蒼 荆荊 药藥 营營
虑慮 虽雖 蓝藍 蔷薔 虎乕 补補 观觀 规規 视視 览覽 触觸 誉譽 计計 认認 让讓 记記 许許 论論 设設 访訪 评評 词詞
诚誠 话話 诗詩 诸諸 诺諾 课課 谊誼 谦謙 豪毫 贝貝 贞貞 财財 责責 贤賢 货貨 质質 购購 费費 贺賀 资資 赞贊 赛賽
赢贏 跃躍 车車 轩軒 转轉 轮輪 载載 辅輔 达達 迁遷 过過 运運 进進 远遠 连連 迟遲 适適 选選 邻鄰 郁鬱 酝醞 针針
钊釗 钧鈞 钦欽 钰鈺 铃鈴 铎鐸 铭銘 铮錚 锐銳 锡錫 键鍵 镇鎮 镜鏡 闯闖 闪閃 阔闊 队隊 阳陽 阴陰 阶階 际際 陕陝
随隨 隐隱 难難 雾霧 韵韻 页頁 顶頂 顺順 须須 预預 领領 频頻 题題 风風 饶饒 馨馨 驰馳 驱驅 骁驍 骄驕 骆駱 骏駿
鱼魚 鲁魯 鲍鮑 鲜鮮 鸟鳥 鸣鳴 鸽鴿 鹂鸝 鹤鶴 鹰鷹 麦麥 龄齡 淼渺 昇升陞 喆哲 堃坤 劢勱 伫佇
莹瑩 颖穎 樱櫻 悦悅 艺藝 业業 丰豐 蒋蔣 婵嬋 姗姍 邬鄔 邝鄺 聂聶 娄婁 桦樺 闵閔 郏郟 缪繆 滢瀅 莺鶯 鸾鸞 骅驊 骥驥 乐樂
劳勞 庄莊 阚闞 谌諶 窦竇 骞騫 奥奧 毕畢 边邊 编編 传傳 聪聰 丛叢 灯燈 点點 动動 儿兒 鹃鵑 绢絹 觉覺 举舉 剑劍 鉴鑑鑒
见見 竞競 旷曠 宽寬 厉厲 莱萊 澜瀾 涟漣 恋戀 练練 凉涼 谅諒 辽遼 临臨 鳞鱗 岭嶺 陇隴 庐廬 鹭鷺 侣侶 纶綸 萝蘿 迈邁
满滿 绵綿 欧歐 鸥鷗 凭憑 苹蘋 朴樸 谱譜 气氣 侨僑 亲親 轻輕 倾傾 请請 洒灑 萨薩 赏賞 绅紳 狮獅 释釋 硕碩 丝絲 颂頌
诵誦 绥綏 谈談 腾騰 听聽 铜銅 湾灣 为爲為 纬緯 纹紋 乌烏 习習 厦廈 闲閑閒 详詳 项項 啸嘯 谐諧 写寫 续續 叙敘 绚絢
训訓 逊遜 验驗 鸯鴦 养養 摇搖 遥遙 医醫 颐頤 译譯 绎繹 荫蔭 婴嬰 萤螢 游遊 于於 余餘 娱娛 语語 屿嶼 驭馭 鸳鴛 员員
圆圓 愿願 约約 岳嶽 粤粵 阅閱 蕴蘊 枣棗 珍珎 真眞 征徵 争爭 证證 织織 职職 帜幟 昼晝 烛燭 瞩矚 筑築 专專 准準 综綜
总總 璎瓔 玺璽 珲琿 瑷璦 韬韜 韫韞 昙曇 祯禎 禅禪 铖鋮 钏釧 铠鎧 锟錕 锴鍇 锵鏘 铉鉉 钺鉞 镛鏞 鸢鳶 鹄鵠 颀頎 颉頡
颢顥 闾閭 阙闕 骊驪 骐騏 骢驄 骧驤 绯緋 绫綾 缇緹 缨纓 缤繽 纾紓 绶綬 绡綃 缜縝 娅婭 娆嬈 娈孌 娴嫻嫺 妩嫵 嫔嬪 妫媯嬀
沣灃 泷瀧 泾涇 浔潯 潆瀠 潇瀟 灏灝 荟薈 莳蒔 荞蕎 蔺藺 峥崢 峤嶠 嵘嶸 恽惲 怿懌 轲軻 轶軼 辕轅 栾欒 桢楨 榉櫸 槟檳
焘燾 霁霽 霭靄 靓靚 鲲鯤 砺礪 颍潁 谧謐 谕諭 诩詡 谟謨 询詢 谨謹 贻貽 赉賚 赟贇 赓賡 郦酈 邺鄴 蔼藹 瓒瓚 隽雋 俪儷 俨儼
侬儂 奂奐 挚摯 斓斕 冈岡 钢鋼 录録 曾曽 青靑 清淸 别別
"""

LOOKALIKES = """
未末 土士 日曰 己已巳 戊戌戍戎 天夭夫无 大太犬 人入八 干千于 王玉壬主 田由甲申 贝见 目且 白自百 木本术 午牛
刀力刁 免兔 今令 鸟乌 爪瓜 住往佳 侯候 师帅 析折拆 抡抢 沦沧 伦仑 泪汩 拔拨 杨扬场汤 杭抗航 枫飒 枚牧 治冶 洁浩
洪拱 海侮 涛铸 淑椒 清请情晴 渔鱼 淋琳 湘相 源原 漫慢 澜阑 峰锋烽蜂 岚岗 崇祟 岩岸 崔催 冰水 冯玛 刚钢 刘列 劲颈
勇湧 北比 华毕 卓桌 卫卩 厉历 友发 叶汁 吉古 吕品 吴昊 呈皇 周同 和种 品晶 唐糖 喜嘉 园圆 国围 圣怪 坚竖 坤坪
城诚 培陪 堂常 增曾 壮状 夏复 妍研 妙纱 姗珊 姜羌 娅哑 娇桥 娜哪 婉碗 婧靖 婷停 媛援 嫣焉 子孑 孙孔 孟盂 宁宇
宏宠 宝宣 宗宋 实买 家冢 容客 富宫 寒塞 小少 尧饶 尹伊 展屏 岳兵 州洲 帆帜 平乎 幸辛 庄压 庆厌 康唐 庞宠 建健
弘私 张帐 强蛋 彤丹 彦颜 彬杉 徐除 微徽 德徳 心必 志忘 思恩 恒桓 悦说 惠慧 愉偷 慕暮 成戍 才寸 承丞 振震 捷睫
敏梅 文又 斌赋 新亲 方万 旭旮 昌冒 明朋 易昜 星皇 春舂 昭照 晓绕 晨辰 景影 智知 曼蔓 月用 杏否 李季 村材 杜牡
松枩 林材 果杲 柏伯 柳卯 栋拣 栗粟 桂柱 梁粱 梅悔 森淼 楠喃 楼搂 正止 武斌 毅殻 永水 汪江 沈沉 沁泌 沙抄 河可
泉皋 波披 泽译 洋样 洲州 浪狼 涵函 润涧 淳谆 滨宾 潇萧 炎淡 炳柄 烨哗 焕换 煜昱 照熙 燕莺 爱受 牧枚 特持 玲珍
玮伟 珂柯 珠株 珺郡 理埋 琦绮 琪棋 瑜渝 瑞端 瑶谣 璐路 生主 白臼 盈盆 盛咸 睿容 石右 祥详 福副 秀季 科料 秋愀
程呈 立正 竹什 笑突 筠均 紫柴 红江 纪记 纯钝 练炼 绍招 维惟 罗岁 美姜 翔翊 翠卒 耀跃 聪总 胜性 脉咏 舒舍 良艮
艳绝 艺芝 芬芳 芸云 花华 苏办 英央 范苑 茂戊 茜酉 茹如 荣菜 莉利 莲连 莎沙 菁青 菊鞠 萍苹 董薰 蒋将 蓉容 蓝监
蔡察 薇微 薛辟 虹红 蝶碟 衡街 袁哀 裴斐 覃潭 言信 许计 诗持 诚城 豪毫 贤坚 贺架 贾买 赵起 超起 轩杆 轶秩 辉晖
辰展 达大 远元 连莲 逸免 邓劝 邢刑 邱岳 邵绍 郁都 郝赫 郭敦 金全 钊利 钟忠 钰玉 铭名 锐悦 锦棉 镇慎 长卡 闯闭
闵闽 阎闫 阮院 陆陈 陶淘 隆降 雁鹰 雅稚 雨两 雪雷 雯霁 霖琳 霞露 青育 静净 韦书 韬稻 顺须 颖颍 颜频 风凤 飞气
馨声 骏俊 高商 魏巍 鲁鲜 鸿鸡 鹏鹅 麒麟 齐斋 龙尤 龚龛 汐夕 旦亘 侍待 沫沬 汨汩 冼洗 丛从 仇仉 余佘 柴紫 茅芧
姚挑 窦实 肖背 阳阴 刑邢 廖寥 谭潭 戴载 毛手 史吏 尤龙 施旋 汤杨 孔扎 万方
"""

# Characters that names are made of. Two of them that sound differently tell two people apart, however alike they look:
# twins are called 霞 and 露, 燕 and 莺. The pairs after them are misread so often that a slip is likelier all the same.
OF_NAMES = """
伟强磊军勇杰涛明超刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢建国志文东海峰成亮民光荣祥福贵永生宝庆良春新元松柏泽轩
子豪博然一诺芳娜敏静丽艳娟霞秀英燕玲桂兰红梅婷雪琳慧莹洁玉萍倩颖丹蓉凤云莉珍琴香月菊翠芬美佳怡欣妍梓涵雨晨诗琪可馨梦
瑶思语嘉悦晓花爱巧素仙娣妹桃莲娥虎兵才旺财山水德学正大维启承继绍先传业兴隆景茂禄世家朝宗昌盛瑞振胜利安康顺和
友信义仁礼智勤俭克天立连长万江河湖洋清源润霖露莺雁鹰麒麟凌菲芸薇蕾莎婉姗珊岚霏雯晴昊昕晟阳辰曦煜炜烨焕熙彤彬杉柳杨桐
榕楠梁栋奕铭锋锐钰钧铁银彩艺苗苹茜茹荷萱蓓蕊瑾瑜璐璇珂珠玥琦瑛珮婧媛嫣娇娅妮姿姣
"""
MISREAD = frozenset({"芬芳", "芳芬", "江红", "红江"})


def _groups(text: str) -> list[str]:
    return [word for word in text.split() if len(word) > 1]


def _representatives(groups: list[str]) -> dict[str, str]:
    """Each character → the first of its group; groups that share a character are NOT joined, the first one holds."""
    table: dict[str, str] = {}
    for group in groups:
        for character in group:
            table.setdefault(character, table.get(group[0], group[0]))
    return table


VARIANT_OF: dict[str, str] = _representatives(_groups(VARIANTS))


def _pairs(lines: list[str], *, first_only: bool) -> set[str]:
    """Two-character texts, both ways round: of a line's first with its others, or of all with all."""
    found = set()
    for line in lines:
        for i, a in enumerate(line[:1] if first_only else line):
            found |= {pair for b in line[i + 1 :] if a != b for pair in (a + b, b + a)}
    return found


@functools.cache
def alike() -> frozenset[str]:
    """Every pair of look-alikes, both ways round. Pairs, not classes: 未/末 and 末/木 must not chain into 未/木.

    By hand (above), and by comparing drawn glyphs (scripts/similar_glyphs.py); the table ships with the package.
    """
    lines = (files("healthbrain") / "knowledge" / "matching" / "similar_glyphs.txt").read_text("utf-8").splitlines()
    found = _pairs(_groups(LOOKALIKES), first_only=False) | _pairs(lines, first_only=True)
    names = frozenset(OF_NAMES)
    return frozenset(pair for pair in found if pair in MISREAD or not names.issuperset(pair))
