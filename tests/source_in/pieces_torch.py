"""PyTorch as people write it, in many styles. Each piece is run here with torch itself, which is the judge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One piece of source.

    Attributes:
        source: what a learner pastes.
        made: an expression that gives the network once the source has run.
        shape: the input shape that the reader has to find or is given.
        given: whether it is given.
        network: which network is chosen.
    """

    source: str
    made: str
    shape: tuple[int, int, int]
    given: bool = False
    network: str | None = None


PIECES = {
    "functional with view": Piece(
        '''
import torch
import torch.nn as nn
import torch.nn.functional as F

class TwoConv(nn.Module):
    """Digits, 28 by 28."""
    def __init__(self, classes=10):
        super().__init__()
        self.first = nn.Conv2d(1, 10, kernel_size=5)
        self.second = nn.Conv2d(10, 20, kernel_size=5)
        self.drop = nn.Dropout2d()
        self.hidden = nn.Linear(320, 50)
        self.out = nn.Linear(50, classes)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.first(x), 2))
        x = F.relu(F.max_pool2d(self.drop(self.second(x)), 2))
        x = x.view(-1, 320)
        x = F.dropout(F.relu(self.hidden(x)), training=self.training)
        return F.softmax(self.out(x), dim=1)
''',
        "TwoConv()",
        (1, 28, 28),
    ),
    "one Sequential": Piece(
        """
from torch import nn

model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.BatchNorm2d(8),
    nn.LeakyReLU(0.1),
    nn.AvgPool2d(2),
    nn.Conv2d(8, 16, (3, 3), stride=(2, 2), padding=(1, 1), bias=False),
    nn.GELU(),
    nn.AdaptiveAvgPool2d((2, 2)),
    nn.Flatten(),
    nn.Linear(64, 10),
)
""",
        "model",
        (3, 20, 20),
        given=True,
    ),
    "blocks of Sequential and a classifier": Piece(
        """
import torch, torch.nn as nn

class Small(nn.Module):
    def __init__(self):
        super(Small, self).__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(1, 4, 5, 1, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2, 2))
        self.layer2 = nn.Sequential(nn.Conv2d(4, 8, 5, 1, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2, 2))
        self.fc = nn.Linear(7 * 7 * 8, 10)

    def forward(self, x):
        out = self.layer1(x)
        out = self.layer2(out)
        out = out.reshape(out.size(0), -1)
        return self.fc(out)

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Small().to(device)
""",
        "model",
        (1, 28, 28),
    ),
    "VGG from a list": Piece(
        """
import torch
import torch.nn as nn

cfg = {"A": [4, "M", 8, "M", 8, 8, "M"], "B": [4, 4, "M"]}

def make_layers(cfg, batch_norm=False):
    layers = []
    in_channels = 3
    for v in cfg:
        if v == "M":
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        else:
            conv2d = nn.Conv2d(in_channels, v, kernel_size=3, padding=1)
            if batch_norm:
                layers += [conv2d, nn.BatchNorm2d(v), nn.ReLU(inplace=True)]
            else:
                layers += [conv2d, nn.ReLU(inplace=True)]
            in_channels = v
    return nn.Sequential(*layers)

class VGG(nn.Module):
    def __init__(self, features, num_classes=10, init_weights=True):
        super(VGG, self).__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(8 * 2 * 2, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, num_classes),
        )
        if init_weights:
            self._initialize_weights()

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        x = self.classifier(x)
        return x

    def _initialize_weights(self):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                n = m.weight.size(1)
                m.weight.data.normal_(0, 0.01)
                m.bias.data.zero_()

net = VGG(make_layers(cfg["A"], batch_norm=True))
y = net(torch.randn(2, 3, 32, 32))
print(y.shape)
""",
        "net",
        (3, 32, 32),
    ),
    "residual blocks by a helper": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F


class Basic(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != self.expansion * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, self.expansion * planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(self.expansion * planes),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        out = F.relu(out)
        return out


class Net(nn.Module):
    def __init__(self, block, num_blocks, num_classes=10):
        super().__init__()
        self.in_planes = 4
        self.conv1 = nn.Conv2d(3, 4, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = self._make_layer(block, 4, num_blocks[0], stride=1)
        self.layer2 = self._make_layer(block, 8, num_blocks[1], stride=2)
        self.linear = nn.Linear(8 * block.expansion, num_classes)

    def _make_layer(self, block, planes, num_blocks, stride):
        strides = [stride] + [1] * (num_blocks - 1)
        layers = []
        for stride in strides:
            layers.append(block(self.in_planes, planes, stride))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*layers)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer1(out)
        out = self.layer2(out)
        out = F.avg_pool2d(out, out.size()[3])
        out = out.view(out.size(0), -1)
        return self.linear(out)


def SmallNet():
    return Net(Basic, [2, 2])


def test():
    net = SmallNet()
    y = net(torch.randn(1, 3, 16, 16))
    print(y.size())
""",
        "SmallNet()",
        (3, 16, 16),
        network="SmallNet",
    ),
    "option A": Piece(
        """
import torch.nn as nn
import torch.nn.functional as F

class LambdaLayer(nn.Module):
    def __init__(self, lambd):
        super(LambdaLayer, self).__init__()
        self.lambd = lambd

    def forward(self, x):
        return self.lambd(x)

class Block(nn.Module):
    def __init__(self, inplanes, planes, stride=1, option='A'):
        super(Block, self).__init__()
        self.body = nn.Sequential(nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes))
        self.shortcut = nn.Sequential()
        if stride != 1 or inplanes != planes:
            if option == 'A':
                self.shortcut = LambdaLayer(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4), "constant", 0))
            elif option == 'B':
                self.shortcut = nn.Conv2d(inplanes, planes, 1, stride)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))

model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), Block(4, 4), Block(4, 8, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
""",
        "model",
        (1, 15, 15),
        given=True,
    ),
    "inception": Piece(
        """
import torch
from torch import nn

class ConvBlock(nn.Module):
    def __init__(self, in_channels, out_channels, **kwargs):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **kwargs)
        self.batchnorm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.batchnorm(self.conv(x)))

class Inception(nn.Module):
    def __init__(self, i, one, red3, out3, red5, out5, pool):
        super().__init__()
        self.branch1 = ConvBlock(i, one, kernel_size=1)
        self.branch2 = nn.Sequential(ConvBlock(i, red3, kernel_size=1), ConvBlock(red3, out3, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(ConvBlock(i, red5, kernel_size=1), ConvBlock(red5, out5, kernel_size=5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1), ConvBlock(i, pool, kernel_size=1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)

class Google(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBlock(3, 8, kernel_size=3, stride=2, padding=1)
        self.mixed1 = Inception(8, 4, 2, 4, 2, 4, 4)
        self.mixed2 = Inception(16, 4, 2, 4, 2, 4, 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        x = self.mixed2(self.mixed1(self.stem(x)))
        return self.fc(self.pool(x).flatten(1))
""",
        "Google()",
        (3, 24, 24),
        given=True,
    ),
    "dense blocks": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict

class _DenseLayer(nn.Sequential):
    def __init__(self, num_input_features, growth_rate, bn_size):
        super(_DenseLayer, self).__init__()
        self.add_module('norm1', nn.BatchNorm2d(num_input_features))
        self.add_module('relu1', nn.ReLU(inplace=True))
        self.add_module('conv1', nn.Conv2d(num_input_features, bn_size * growth_rate, kernel_size=1, stride=1, bias=False))
        self.add_module('norm2', nn.BatchNorm2d(bn_size * growth_rate))
        self.add_module('relu2', nn.ReLU(inplace=True))
        self.add_module('conv2', nn.Conv2d(bn_size * growth_rate, growth_rate, kernel_size=3, stride=1, padding=1, bias=False))

    def forward(self, x):
        new_features = super(_DenseLayer, self).forward(x)
        return torch.cat([x, new_features], 1)

class _DenseBlock(nn.Sequential):
    def __init__(self, num_layers, num_input_features, bn_size, growth_rate):
        super(_DenseBlock, self).__init__()
        for i in range(num_layers):
            self.add_module('denselayer%d' % (i + 1) if False else f'denselayer{i + 1}', _DenseLayer(num_input_features + i * growth_rate, growth_rate, bn_size))

class Dense(nn.Module):
    def __init__(self, growth_rate=4, block_config=(2, 3), num_init_features=8):
        super().__init__()
        self.features = nn.Sequential(OrderedDict([
            ('conv0', nn.Conv2d(3, num_init_features, kernel_size=3, padding=1, bias=False)),
            ('norm0', nn.BatchNorm2d(num_init_features)),
            ('relu0', nn.ReLU(inplace=True)),
        ]))
        n = num_init_features
        for i, num_layers in enumerate(block_config):
            self.features.add_module(f'denseblock{i + 1}', _DenseBlock(num_layers, n, 2, growth_rate))
            n = n + num_layers * growth_rate
            if i != len(block_config) - 1:
                self.features.add_module(f'transition{i + 1}', nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, n // 2, 1, bias=False), nn.AvgPool2d(2, 2)))
                n = n // 2
        self.features.add_module('norm5', nn.BatchNorm2d(n))
        self.classifier = nn.Linear(n, 10)

    def forward(self, x):
        features = self.features(x)
        out = F.relu(features, inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        out = torch.flatten(out, 1)
        return self.classifier(out)

model = Dense()
summary(model, (3, 16, 16)) if False else None
out = model(torch.zeros(1, 3, 16, 16))
""",
        "model",
        (3, 16, 16),
    ),
    "dense block with a list of features": Piece(
        """
import torch
from torch import nn

class DenseLayer(nn.Module):
    def __init__(self, n, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(n)
        self.conv = nn.Conv2d(n, growth, 3, padding=1)

    def forward(self, features):
        x = torch.cat(features, dim=1)
        return self.conv(torch.relu(self.norm(x)))

class DenseBlock(nn.ModuleDict):
    def __init__(self, layers, n, growth):
        super().__init__()
        for i in range(layers):
            self.add_module("layer%s" % 1 if False else "layer" + str(i), DenseLayer(n + i * growth, growth))

    def forward(self, x):
        features = [x]
        for name, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.block = DenseBlock(3, 4, 2)
        self.head = nn.Linear(10, 10)

    def forward(self, x):
        x = self.block(self.stem(x))
        return self.head(x.mean([2, 3]))
""",
        "Net()",
        (1, 12, 12),
        given=True,
    ),
    "inverted residuals": Piece(
        """
import torch
from torch import nn

def conv_bn(inp, oup, stride):
    return nn.Sequential(nn.Conv2d(inp, oup, 3, stride, 1, bias=False), nn.BatchNorm2d(oup), nn.ReLU6(inplace=True))

class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        self.stride = stride
        assert stride in [1, 2]
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = self.stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(nn.Sequential(nn.Conv2d(inp, hidden_dim, 1, 1, 0, bias=False), nn.BatchNorm2d(hidden_dim), nn.ReLU6(inplace=True)))
        layers.extend([
            nn.Conv2d(hidden_dim, hidden_dim, 3, stride, 1, groups=hidden_dim, bias=False), nn.BatchNorm2d(hidden_dim),
            nn.ReLU6(inplace=True), nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False), nn.BatchNorm2d(oup),
        ])
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        else:
            return self.conv(x)

class Mobile(nn.Module):
    def __init__(self, n_class=10, width_mult=1.):
        super().__init__()
        block = InvertedResidual
        input_channel = 8
        setting = [
            # t, c, n, s
            [1, 4, 1, 1],
            [6, 8, 2, 2],
            [6, 8, 1, 1],
        ]
        input_channel = int(input_channel * width_mult)
        self.features = [conv_bn(3, input_channel, 2)]
        for t, c, n, s in setting:
            output_channel = int(c * width_mult)
            for i in range(n):
                self.features.append(block(input_channel, output_channel, s if i == 0 else 1, expand_ratio=t))
                input_channel = output_channel
        self.features = nn.Sequential(*self.features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(input_channel, n_class))

    def forward(self, x):
        x = self.features(x)
        x = x.mean(3).mean(2) if False else nn.functional.adaptive_avg_pool2d(x, 1).reshape(x.shape[0], -1)
        return self.classifier(x)

if __name__ == '__main__':
    net = Mobile()
    x = torch.randn(1, 3, 32, 32)
    y = net(x)
    print(y.shape)
""",
        "Mobile()",
        (3, 32, 32),
    ),
    "squeeze and excitation": Piece(
        """
import torch
import torch.nn as nn

class SELayer(nn.Module):
    def __init__(self, channel, reduction=4):
        super(SELayer, self).__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel, bias=False),
            nn.Sigmoid()
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding='same')
        self.se = SELayer(8)
        self.fc = nn.Linear(8 * 10 * 10, 4)

    def forward(self, x):
        x = self.se(torch.relu(self.conv(x)))
        x = torch.flatten(x, start_dim=1)
        return self.fc(x)
""",
        "Net()",
        (3, 10, 10),
    ),
    "channel shuffle": Piece(
        """
import torch
import torch.nn as nn

def channel_shuffle(x, groups):
    batchsize, num_channels, height, width = x.data.size()
    channels_per_group = num_channels // groups
    x = x.view(batchsize, groups, channels_per_group, height, width)
    x = torch.transpose(x, 1, 2).contiguous()
    x = x.view(batchsize, -1, height, width)
    return x

class Unit(nn.Module):
    def __init__(self, c):
        super().__init__()
        half = c // 2
        self.branch2 = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
        )

    def forward(self, x):
        x1, x2 = x.chunk(2, dim=1)
        out = torch.cat((x1, self.branch2(x2)), dim=1)
        return channel_shuffle(out, 2)

net = nn.Sequential(nn.Conv2d(1, 8, 3), Unit(8), Unit(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
""",
        "net",
        (1, 9, 9),
        given=True,
    ),
    "fire modules": Piece(
        """
import torch
import torch.nn as nn

class Fire(nn.Module):
    def __init__(self, inplanes: int, squeeze: int, e1: int, e3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze, kernel_size=1)
        self.act = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, e1, kernel_size=1)
        self.act1 = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, e3, kernel_size=3, padding=1)
        self.act3 = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.act1(self.expand1x1(x)), self.act3(self.expand3x3(x))], 1)

class Squeeze(nn.Module):
    def __init__(self, version: str = "1_1", num_classes: int = 7, dropout: float = 0.5) -> None:
        super().__init__()
        if version == "1_0":
            raise ValueError("not this one")
        elif version == "1_1":
            self.features = nn.Sequential(
                nn.Conv2d(3, 8, kernel_size=3, stride=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
                Fire(8, 2, 4, 4),
                Fire(8, 2, 4, 4),
            )
        else:
            raise ValueError(f"Unsupported version {version}")
        final_conv = nn.Conv2d(8, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), final_conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x):
        x = self.features(x)
        x = self.classifier(x)
        return torch.flatten(x, 1)
""",
        "Squeeze()",
        (3, 34, 34),
        given=True,
    ),
    "ModuleList with zip and slices": Piece(
        """
import torch.nn as nn

class Chain(nn.Module):
    def __init__(self, widths=(1, 4, 8, 8), act=nn.ReLU):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths[:-1], widths[1:])])
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[1:])
        self.act = act()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(widths[-1] * 2 * 2, 10)

    def forward(self, x):
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = self.act(norm(conv(x)))
            if i < len(self.convs) - 1:
                x = self.pool(x)
        return self.fc(x.flatten(start_dim=1))
""",
        "Chain()",
        (1, 8, 8),
    ),
    "num_flat_features and a notebook": Piece(
        """
# !pip install torch
import torch
import torch.nn as nn
import torch.nn.functional as F
import matplotlib.pyplot as plt if False else None
""".replace("import matplotlib.pyplot as plt if False else None", "")
        + """
class Net(nn.Module):

    def __init__(self):
        super(Net, self).__init__()
        # 1 input image channel, 6 output channels
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.conv2 = nn.Conv2d(6, 16, 3)
        self.fc1 = nn.Linear(16 * 6 * 6, 24)
        self.fc2 = nn.Linear(24, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return x

    def num_flat_features(self, x):
        size = x.size()[1:]  # all dimensions except the batch
        num_features = 1
        for s in size:
            num_features *= s
        return num_features

net = Net()
print(net)
params = list(net.parameters())
print(len(params))
input = torch.randn(1, 1, 32, 32)
out = net(input)
net.zero_grad()
out.backward(torch.randn(1, 10))
criterion = nn.MSELoss()
""",
        "net",
        (1, 32, 32),
    ),
    "size measured in the constructor": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, input_shape=(3, 20, 20), n_classes=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.conv2 = nn.Conv2d(4, 8, 3)
        n = self._get_conv_output(input_shape)
        self.fc = nn.Linear(n, n_classes)

    def _get_conv_output(self, shape):
        bs = 1
        input = torch.rand(bs, *shape)
        output_feat = self._forward_features(input)
        n_size = output_feat.data.view(bs, -1).size(1)
        return n_size

    def _forward_features(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        return torch.tanh(self.conv2(x))

    def forward(self, x):
        x = self._forward_features(x)
        x = x.view(x.size(0), -1)
        return self.fc(x)

model = Net()
""",
        "model",
        (3, 20, 20),
    ),
    "names by setattr and getattr": Piece(
        """
import torch
import torch.nn as nn

class Net(nn.Module):
    def __init__(self, depth: int = 3):
        super().__init__()
        self.depth = depth
        c = 1
        for i in range(depth):
            setattr(self, f"conv{i}", nn.Conv2d(c, 2 ** (i + 1), 3, padding=1))
            self.add_module("bn" + str(i), nn.BatchNorm2d(2 ** (i + 1)))
            c = 2 ** (i + 1)
        self.fc = nn.Linear(c, 2)

    def forward(self, x):
        for i in range(self.depth):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)).relu()
        x = torch.mean(x, dim=(2, 3))
        return self.fc(x)
""",
        "Net()",
        (1, 6, 6),
        given=True,
    ),
    "convolutions only": Piece(
        """
import torch.nn as nn
from functools import partial

norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
conv3 = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)

class AllConv(nn.Module):
    def __init__(self, c=6, *, classes=10):
        super().__init__()
        self.net = nn.Sequential(
            conv3(3, c), norm(c), nn.SiLU(),
            conv3(c, c, stride=2), norm(c), nn.SiLU(),
            nn.Dropout(0.2),
            nn.Conv2d(c, classes, 1),
            nn.AdaptiveAvgPool2d(output_size=1),
        )

    def forward(self, x):
        return self.net(x).squeeze(-1).squeeze(-1)
""",
        "AllConv()",
        (3, 12, 12),
        given=True,
    ),
    "multilayer perceptron": Piece(
        """
import torch
from torch import nn

class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28*28, 32),
            nn.ReLU(),
            nn.Linear(32, 32),
            nn.ReLU(),
            nn.Linear(32, 10)
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits

def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

model = NeuralNetwork().to("cpu")
""",
        "model",
        (1, 28, 28),
    ),
    "pre-activation with deepcopy": Piece(
        """
import copy
import torch
import torch.nn as nn

class PreAct(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bn = nn.BatchNorm2d(c)
        self.conv = nn.Conv2d(c, c, 3, padding=1, padding_mode="zeros")

    def forward(self, x):
        return x + self.conv(torch.relu(self.bn(x)))

def clones(module, n):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(n)])

class Net(nn.Module):
    def __init__(self, c=4, n=3):
        super().__init__()
        self.stem = nn.Conv2d(3, c, 3, 1, 1)
        self.blocks = clones(PreAct(c), n)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(c), nn.Linear(c, 10))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
""",
        "Net()",
        (3, 8, 8),
        given=True,
    ),
    "even window with same": Piece(
        """
import torch.nn as nn
net = nn.Sequential()
net.add_module('pad', nn.ZeroPad2d((1, 2, 0, 1)))
net.add_module('conv', nn.Conv2d(1, 2, 4, padding='same'))
net.add_module('act', nn.Hardswish())
net.add_module('norm', nn.GroupNorm(2, 2))
net.append(nn.LocalResponseNorm(2))
net.append(nn.Flatten())
net.append(nn.Linear(2 * 9 * 11, 3))
""",
        "net",
        (1, 8, 8),
        given=True,
    ),
    "one letter and semicolons": Piece(
        """
import torch as t, torch.nn as n
f = n.functional
class N(n.Module):
  def __init__(s):
    n.Module.__init__(s); s.a = n.Conv2d(1, 3, 3); s.b = n.Linear(3*13*13, 5)
  def forward(s, i): o = f.max_pool2d(t.sigmoid(s.a(i)), 2); return s.b(o.view(len(o), -1))
""",
        "N()",
        (1, 28, 28),
    ),
    "sum of three": Piece(
        """
import torch
from torch import nn
from torch.nn import Conv2d, Linear, Module, Sequential, ReLU

class Wide(Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = Conv2d(2, 4, 1), Conv2d(2, 4, 3, padding=1), Sequential(Conv2d(2, 4, 5, padding=2), ReLU())
        self.fc = Linear(4 * 25, 3)

    def forward(self, x):
        y = self.a(x) + self.b(x) + self.c(x)
        return self.fc(torch.flatten(y, 1))

model = Wide().eval()
with torch.no_grad():
    out = model(torch.ones((7, 2, 5, 5)))
""",
        "model",
        (2, 5, 5),
    ),
    "in place before the shortcut": Piece(
        """
import torch
from torch import nn

class Trap(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        identity = x
        out = self.relu(x)
        out = self.conv(out)
        return out + identity

model = nn.Sequential(nn.Conv2d(1, 2, 3), Trap(), nn.Flatten(), nn.Linear(72, 2))
model(torch.randn(1, 1, 8, 8))
""",
        "model",
        (1, 8, 8),
    ),
    "a whole training script": Piece(
        """
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(2304, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return self.fc2(x)

def train(args, model, device, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        if batch_idx % args.log_interval == 0:
            print('Train Epoch: {} [{}/{}]'.format(epoch, batch_idx, 5))

def main():
    parser = argparse.ArgumentParser(description='Example')
    parser.add_argument('--lr', type=float, default=1.0)
    args = parser.parse_args([])
    torch.manual_seed(1)
    device = torch.device("cpu")
    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 3):
        train(args, model, device, [], optimizer, epoch)
        scheduler.step()

if __name__ == '__main__':
    main()
""",
        "Net()",
        (1, 28, 28),
    ),
    "a pasted class without imports": Piece(
        """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.MaxPool2d(2, 2)
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.fc1 = nn.Linear(6 * 14 * 14, 10)

        def forward(self, x):
            x = self.pool(F.relu(self.conv1(x)))
            x = torch.flatten(x, 1)
            x = self.fc1(x)
            return x
""",
        "Net()",
        (3, 32, 32),
    ),
    "a ModuleList that grows": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F

class N(nn.Module):
    def __init__(self, sizes=[1, 4, 8]):
        super(N, self).__init__()
        self.layers = nn.ModuleList()
        for i in range(len(sizes) - 1):
            self.layers.append(nn.Conv2d(sizes[i], sizes[i+1], 3, padding=1))
            self.layers.append(nn.ReLU(inplace=True))
        self.layers += [nn.AdaptiveAvgPool2d(1)]
        self.activations = nn.ModuleDict({'relu': nn.ReLU(), 'lrelu': nn.LeakyReLU(0.1)})
        self.out = nn.Linear(sizes[-1], 3)
    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x)
        x = self.layers[-1](x)
        x = self.activations['lrelu'](x)
        x = x.view(x.shape[0], -1)
        return F.softmax(self.out(x), dim=-1)
n = N()
n(torch.rand(4, 1, 8, 8))
""",
        "n",
        (1, 8, 8),
    ),
    "settings in a class and a dict": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F

from dataclasses import dataclass
class Config:
    channels = 3
    width = 8
    classes = 10
    kernel = 3
cfg = Config()
config = {"width": 8, "act": "relu"}
def get_act(name):
    return {"relu": nn.ReLU(), "gelu": nn.GELU()}[name]
class Net(nn.Module):
    def __init__(self, cfg, **kw):
        super().__init__()
        self.c = nn.Conv2d(cfg.channels, kw["width"], kernel_size=cfg.kernel, padding=cfg.kernel // 2)
        self.act = get_act(kw.get("act", "gelu"))
        self.norm = nn.BatchNorm2d(kw["width"]) if kw.get("norm", True) else nn.Identity()
        self.fc = nn.Linear(kw["width"], cfg.classes)
    def forward(self, x):
        x = self.act(self.norm(self.c(x)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).squeeze())
net = Net(cfg, **config)
print(net(torch.randn(2, 3, 16, 16)).shape)
""",
        "net",
        (3, 16, 16),
    ),
    "settings in a dataclass": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F

from dataclasses import dataclass
@dataclass
class Config:
    channels: int = 3
    width: int = 8
cfg = Config(width=16)
net = nn.Sequential(nn.Conv2d(cfg.channels, cfg.width, 3), nn.Flatten())
net(torch.randn(2, 3, 16, 16))
""",
        "net",
        (3, 16, 16),
    ),
    "checks and prints inside forward": Piece(
        """
import torch
import torch.nn as nn
import torch.nn.functional as F

class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(144, 2)
    def forward(self, x, verbose=False):
        if verbose:
            print(x.shape)
        x = self.c(x)
        print("after conv", x.size(), type(x))
        assert x.shape[1] == 4, "channels"
        return self.fc(x.reshape(x.shape[0], -1))
m = N()
with torch.no_grad():
    for _ in range(3):
        y = m(torch.zeros((2, 1, 8, 8)))
""",
        "m",
        (1, 8, 8),
    ),
}
